#!/usr/bin/env bash
# What --explain predicts beside what runs take: a table of cases × workers × memory, a line a step.
#
#   bench/explain.sh WETMILL DATA [CASE…]       DATA: a directory of .jsonl files
#   JOBS="1 2 4" MEMORY="0 192MiB" bench/explain.sh …
#
# Memory is the most anonymous memory of the process, disk the most bytes of files below the step's
# directory and of scratch files that have no name: as seen from outside, or by the run if that is more.
# A line marked FAR is off by more than 15 % and, of memory, by more than 16 MiB.
set -u
w=$(realpath "$1")
data=$(realpath "$2")
shift 2
cases=${*:-plain gzip dedup none lossy perplexity rejects tokenizer shards whole}
here=$(realpath "${BASH_SOURCE%/*}/..")
export OMP_STACKSIZE=1M
work=$(mktemp -d "${TMPDIR:-/tmp}/wetmill-explain.XXXXXX")
export TMPDIR=$work
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# bytes "54.1 MB"
bytes() {
    awk -v n="${1% *}" -v unit="${1#* }" 'BEGIN {
        printf "%.0f", n * (unit == "GB" ? 1e9 : unit == "MB" ? 1e6 : unit == "kB" ? 1e3 : 1) }'
}

# watch PID DIR…: the most bytes of memory, and on disk
watch() {
    local pid=$1 memory=0 disk=0 now round=0 fd at
    shift
    while kill -0 "$pid" 2>/dev/null; do
        now=$(awk '/^RssAnon/ { print $2 * 1024 }' "/proc/$pid/status" 2>/dev/null)
        [ "${now:-0}" -gt "$memory" ] && memory=$now
        if [ $((round++ % 10)) = 0 ]; then
            now=$(du -sb --apparent-size "$@" 2>/dev/null | awk '{ sum += $1 } END { print sum + 0 }')
            for fd in "/proc/$pid/fd"/*; do
                at=$(readlink "$fd" 2>/dev/null)
                [[ $at == "$work"/*' (deleted)' ]] && now=$((now + $(stat -Lc %s "$fd" 2>/dev/null || echo 0)))
            done
            [ "$now" -gt "$disk" ] && disk=$now
        fi
        sleep 0.02
    done
    echo "$memory $disk"
}

row() {
    awk -v name="$1" -v jobs="$2" -v limit="$3" -v step="$4" -v pm="$5" -v mm="$6" -v pd="$7" -v md="$8" 'BEGIN {
        far = (pm > mm ? pm - mm : mm - pm) > 16 * 1048576 && (pm > 1.15 * mm || pm < 0.85 * mm)
        fad = pd > 1.15 * md || pd < 0.85 * md
        printf "%-12s %d %-7s %-10s memory %8.1f %8.1f %+6.1f %% %s disk %8.1f %8.1f %+6.1f %% %s\n", name,
            jobs, limit, step, pm / 1e6, mm / 1e6, mm ? 100 * (pm / mm - 1) : 0, far ? "FAR" : "   ",
            pd / 1e6, md / 1e6, md ? 100 * (pd / md - 1) : 0, fad ? "FAR" : "" }'
}

# field STEP WHAT: bytes that explained.txt tells
field() {
    bytes "$(grep -A 1 "^$1 " explained.txt | tail -n 1 |
        sed -n "s/.*$2 \(up to \)\?\([0-9.]* [kMG]*B\).*/\2/p")"
}

# told STEP WHICH: bytes that the run itself saw at the peak; WHICH 1 = memory, 2 = disk
told() {
    bytes "$(sed -n "s/.* \([0-9.]* [kMG]*B\)  at the peak of step $1, \([0-9.]* [kMG]*B\) of disk$/\\$2/p" out.txt err.txt)"
}

larger() { [ "$1" -gt "$2" ] && echo "$1" || echo "$2"; }

# put_row NAME JOBS LIMIT STEP SEEN
put_row() {
    row "$1" "$2" "$3" "$4" "$(field "$4" memory)" "$(larger "${5% *}" "$(told "$4" 1)")" \
        "$(field "$4" disk)" "$(larger "${5#* }" "$(told "$4" 2)")"
}

# compare NAME JOBS LIMIT STEP COMMAND…: of a command that does one step into `out`
compare() {
    local name=$1 jobs=$2 limit=$3 step=$4 seen
    shift 4
    rm -rf out out.*
    "$@" -j "$jobs" --memory "$limit" -o out --explain >explained.txt 2>err.txt </dev/null ||
        { echo "$name $jobs $limit: $(head -c 300 err.txt)"; return; }
    "$@" -j "$jobs" --memory "$limit" -o out >out.txt 2>err.txt </dev/null &
    seen=$(watch $! out.work out out.rejects)
    wait $! || { echo "$name $jobs $limit: $(head -c 300 err.txt)"; return; }
    if [ -n "${KEEP:-}" ]; then cat explained.txt err.txt out.txt; fi
    put_row "$name" "$jobs" "$limit" "$step" "$seen"
}

lid=$here/samples/lid.176.ftz

models() {
    [ -e en.arpa ] && return
    local pieces=$here/tests/vectors/sentencepiece/unigram.model
    "$w" corpus build -q -o text --compression none "$here/samples/crawl"
    "$w" lm train -q --order 3 --discount-fallback --sentencepiece "$pieces" -o en.arpa text
    cp "$pieces" en.sp.model
}

prepared() {
    [ -e corpus ] || "$w" corpus build -q -s normalize -o corpus "$data"/*.jsonl
    [ -e bpe ] || "$w" tokenizer train -q --vocabulary 16000 -o bpe corpus
}

whole() {
    local step seen
    cat >job.yaml <<YAML
version: 1
output: whole
input: {paths: ["$data/*.jsonl"], max_record: $3}
corpus: {stages: [normalize, paragraph-dedup]}
tokenizer: {vocabulary: 16000}
shards: {}
YAML
    rm -rf whole
    "$w" run job.yaml -j "$1" --memory "$2" --explain >explained.txt 2>err.txt || return
    for step in corpus tokenizer shards; do
        "$w" run job.yaml -j "$1" --memory "$2" --only "$step" >out.txt 2>err.txt &
        seen=$(watch $! "whole/work")
        wait $! || { head -c 300 err.txt; return; }
        put_row whole "$1" "$2" "$step" "$seen"
    done
}

one() {
    local name=$1 j=$2 m=$3 record=16MiB corpus
    [ "$m" = 0 ] || record=1MiB # the limit is for what is below
    corpus=("$w" corpus build -s normalize --max-record "$record")
    case $name in
    plain) compare "$@" corpus "${corpus[@]}" "$data"/*.jsonl ;;
    gzip) compare "$@" corpus "${corpus[@]}" --compression gzip "$data"/*.jsonl ;;
    dedup) compare "$@" corpus "${corpus[@]}" -s paragraph-dedup "$data"/*.jsonl ;;
    none) compare "$@" corpus "${corpus[@]}" -s paragraph-dedup:keep=none "$data"/*.jsonl ;;
    lossy) compare "$@" corpus "${corpus[@]}" -s length:min_characters=3000 \
        -s "language:model=$lid:languages=de" -s paragraph-dedup "$data"/*.jsonl ;;
    perplexity)
        models
        compare "$@" corpus "${corpus[@]}" -s "language:model=$lid:languages=en" \
            -s perplexity:sentencepiece=en.sp.model:lm=en.arpa "$data"/en-*.jsonl "$data"/korean*.jsonl
        ;;
    rejects) compare "$@" corpus "${corpus[@]}" -s length:min_characters=3000 --rejects out.rejects "$data"/*.jsonl ;;
    tokenizer) prepared; compare "$@" tokenizer "$w" tokenizer train --max-record "$record" --vocabulary 16000 corpus ;;
    shards) prepared; compare "$@" shards "$w" shards build --max-record "$record" -t bpe corpus ;;
    whole) whole "$j" "$m" "$record" ;;
    esac
}

for name in $cases; do
    for limit in ${MEMORY:-0 192MiB}; do
        for jobs in ${JOBS:-1 2 4}; do
            one "$name" "$jobs" "$limit"
        done
    done
done
