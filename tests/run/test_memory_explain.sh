#!/usr/bin/env bash
# What --explain predicts of memory and disk is what a run takes, within 15 % or 16 MiB; and what a run
# says it took is what others see of it.
. "${BASH_SOURCE%/*}/../cli/lib.sh"
w=$WETMILL
if ! (ulimit -d 65536 && "$w" --version) >/dev/null 2>&1; then
    echo "skipped: the memory of this build (sanitizers?) is not the program's"
    exit 77
fi
export OMP_STACKSIZE=1M TMPDIR=$work

# bytes "54.1 MB"
bytes() {
    awk -v n="${1% *}" -v unit="${1#* }" 'BEGIN {
        printf "%.0f", n * (unit == "GB" ? 1e9 : unit == "MB" ? 1e6 : unit == "kB" ? 1e3 : 1) }'
}

# near NAME STEP WHAT PREDICTED MEASURED
near() {
    checks=$((checks + 1))
    awk -v name="$1" -v step="$2" -v what="$3" -v p="$4" -v m="$5" 'BEGIN {
        d = p > m ? p - m : m - p
        ok = m > 0 && (d <= 0.15 * m || d <= 16 * 1048576)
        printf "%-10s %-10s %-7s predicted %8.2f MB  measured %8.2f MB  %+5.1f %%%s\n", name, step, what,
            p / 1e6, m / 1e6, m ? 100 * (p - m) / m : 0, ok ? "" : "  FAR"
        exit !ok }' || fail "$1: $3 of step $2"
}

# watch PID DIR: the most bytes others see, anonymous ones and those of the files below DIR
watch() {
    local pid=$1 dir=$2 memory=0 disk=0 now
    while kill -0 "$pid" 2>/dev/null; do
        now=$(awk '/^RssAnon/ { print $2 * 1024 }' "/proc/$pid/status" 2>/dev/null)
        [ "${now:-0}" -gt "$memory" ] && memory=$now
        now=$(du -sb --apparent-size "$dir" 2>/dev/null | cut -f 1)
        [ "${now:-0}" -gt "$disk" ] && disk=$now
        sleep 0.02
    done
    echo "$memory $disk"
}

# compare NAME STEP COMMAND…: of the one step that COMMAND -o NAME does.
compare() {
    local name=$1 step=$2 line memory disk told seen most code
    shift 2
    checks=$((checks + 1))
    "$@" -o "$name" --explain >explained.txt 2>err.txt </dev/null || fail "explain: $* — $(head -c 600 err.txt)"
    [ ! -e "$name" ] || fail "$name: explaining wrote something"
    [ -z "$(find . -maxdepth 1 -name 'wetmill.*')" ] || fail "$name: explaining left something"
    line=$(grep -m 1 'memory [0-9.]* [kMG]B' explained.txt)
    memory=$(sed -n 's/.*memory \([0-9.]* [kMG]*B\) .*/\1/p' <<<"$line")
    disk=$(sed -n 's/.*disk \([0-9.]* [kMG]*B\).*/\1/p' <<<"$line")
    mkdir -p "$name.work"
    "$@" -o "$name" >out.txt 2>err.txt </dev/null &
    seen=$(watch $! "$name.work")
    wait $!
    code=$?
    [ "$code" = 0 ] || fail "exit $code: $* — $(head -c 600 err.txt)"
    told=$(sed -n "s/.* \([0-9.]* [kMG]*B\)  at the peak of step $step, \([0-9.]* [kMG]*B\) of disk$/\1|\2/p" out.txt err.txt)
    # of disk the run says what there was when it was done, and in files without a name
    most=$(bytes "${told#*|}")
    [ "${seen#* }" -gt "$most" ] && most=${seen#* }
    near "$name" "$step" memory "$(bytes "$memory")" "$(bytes "${told%|*}")"
    near "$name" "$step" disk "$(bytes "$disk")" "$most"
    grep -qE 'estimated from a sample|as tried on all' explained.txt || [ "$step" = train ] || fail "$name: not said what it rests on"
    near "$name" seen memory "${seen% *}" "$(bytes "${told%|*}")"
}

# pages FILE PAGES SEED: words by Zipf's law, new ones all the time; a quarter of the lines are menus
pages() {
    awk -v pages="$2" -v seed="$3" 'BEGIN {
        srand(seed);
        for (page = 0; page < pages; page++) {
            printf "{\"url\":\"http://a%d/%d\",\"text\":\"", seed, page;
            for (line = 0; line < 40; line++) {
                if (rand() < 0.25) { printf "menu %d of the site\\n", int(exp(rand() * 9)); continue }
                for (word = 0; word < 18; word++) {
                    n = int(exp(rand() * 15));
                    printf "%s%c%c%c%x", word ? " " : "", 97 + n % 23, 97 + n % 7, 97 + n % 11, n;
                }
                printf ".\\n";
            }
            print "\"}";
        }
    }' >"$1"
}
for i in 1 2 3 4; do pages "pages-$i.jsonl" 7000 "$i" & done
wait
# the same with other words and lines, 400 MB in all: more than a sample is
letters=bcdfgijkmoqsvwyz # not in the fields' names
for i in 1 2 3; do
    for of in 1 2 3 4; do
        tr "$letters" "${letters:i * 4}${letters:0:i * 4}" <"pages-$of.jsonl" >"pages-$of-$i.jsonl"
    done
done
few=(pages-[1-4].jsonl)
ls -l pages-*.jsonl

# all of it is tried: what is measured is what is measured
stages=(-s normalize)
compare dedup corpus "$w" corpus build -j 2 "${stages[@]}" -s paragraph-dedup:keep=none "${few[@]}"

# a whole run: every step reads what the rehearsal made of the one before
cat >job.yaml <<'YAML'
version: 1
output: whole
input: {paths: ["pages-*.jsonl"]}
corpus: {stages: [normalize, paragraph-dedup]}
tokenizer: {vocabulary: 4000}
shards: {}
YAML
"$w" run job.yaml -j 2 --explain >explained.txt 2>err.txt || fail "explain: $(head -c 600 err.txt)"
cat explained.txt
holds "a sample is tried, not all of it" grep -q 'estimated from a sample' explained.txt
"$w" run job.yaml -j 2 >out.txt 2>err.txt || fail "run: $(head -c 600 err.txt)"
for step in corpus tokenizer shards; do
    line=$(grep -A 1 "^$step " explained.txt | tail -n 1)
    memory=$(sed -n 's/.*memory \([0-9.]* [kMG]*B\) .*/\1/p' <<<"$line")
    disk=$(sed -n 's/.*disk \([0-9.]* [kMG]*B\).*/\1/p' <<<"$line")
    told=$(sed -n "s/.* \([0-9.]* [kMG]*B\)  at the peak of step $step, \([0-9.]* [kMG]*B\) of disk$/\1|\2/p" out.txt err.txt)
    near whole "$step" memory "$(bytes "$memory")" "$(bytes "${told%|*}")"
    near whole "$step" disk "$(bytes "$disk")" "$(bytes "${told#*|}")"
done
compare model train "$w" train whole/shards -j 2 --width 256 --layers 4 --heads 4 --context 256 --steps 3 --batch 8 --micro-batch 4

# pieces that do not fit are spilled, before all are read
compare spilled tokenizer "$w" tokenizer train -j 2 --memory 160MiB --max-record 1MiB --vocabulary 4000 whole/corpus
holds "it spills" grep -q 'spilled' out.txt err.txt
summary
