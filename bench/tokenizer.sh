#!/usr/bin/env bash
# The tokenizer here and elsewhere, each beside its target: encoding (one thread, a first pass over
# distinct text, ids compared), long runs, loading, training (time and peak memory).
#
#     bench/tokenizer.sh [OPTION…] BUILD ENGLISH… -- OTHER…
#
# ENGLISH and OTHER are texts: JSON lines with a `text` (.jsonl, .jsonl.zst), or plain. BUILD is an
# optimised build with `wetmill`, `bench_tokenizer` and `bench_measure`.
#
#   --peers DIR          DIR/node_modules has tokenizers, tiktoken, ai-tokenizer (npm install …); default .
#   --rust-gems PROGRAM  PROGRAM DOCS IDS encodes with cl100k and prints MB/s, one number. DOCS: documents,
#                        each behind its length; IDS gets ids, each document's behind their number;
#                        all numbers little-endian uint32.
#   --rustbpe PROGRAM    PROGRAM VOCABULARY TEXT trains on the lines of a text, by cl100k's pattern, with 2
#                        threads, and ends: it is measured from outside.
#   --peer-bytes N       of each text go to the encoders of others, which are slower; default 10000000
#   --train-bytes N      to train on; default 100000000 (SentencePiece: a tenth). What a set has not, it
#                        is not given: no text is repeated.
#   --only encode,runs,train
#
# On a busy machine CPU seconds hold better than the clock; peers and we are timed the same way.
set -euo pipefail
here=$(cd "${BASH_SOURCE%/*}" && pwd)
peers=. rust_gems='' rustbpe='' peer_bytes=10000000 train_bytes=100000000 only=encode,runs,train
while [[ ${1-} == --* ]]; do
    case $1 in
    --peers) peers=$2 ;;
    --rust-gems) rust_gems=$2 ;;
    --rustbpe) rustbpe=$2 ;;
    --peer-bytes) peer_bytes=$2 ;;
    --train-bytes) train_bytes=$2 ;;
    --only) only=$2 ;;
    *) echo "unknown option $1" >&2 && exit 2 ;;
    esac
    shift 2
done
build=${1:?BUILD ENGLISH… -- OTHER…}
shift
for program in wetmill bench/bench_tokenizer bench/bench_measure; do
    [ -x "$build/$program" ] || { echo "no $build/$program: ninja -C $build ${program##*/}" >&2; exit 1; }
done
wetmill=$build/wetmill ours=$build/bench/bench_tokenizer measure=$build/bench/bench_measure
work=$(mktemp -d)
script=
trap 'rm -rf "$work" ${script:+"$script"}' EXIT

english=() others=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do english+=("$1") && shift; done
[ $# -gt 0 ] && shift
# shellcheck disable=SC2034 # by name
others=("$@")
[ $((${#english[@]} + ${#others[@]})) -gt 0 ] || { echo "no texts" >&2 && exit 2; }

if command -v node >/dev/null && [ -d "$peers/node_modules" ]; then
    peers=$(cd "$peers" && pwd)
    script=$peers/wetmill-bench-$$.mjs
    cp "$here/tokenizer.mjs" "$script"
else
    echo "npm peers skipped: no node, or no $peers/node_modules"
fi
npm() { [ -z "$script" ] || (cd "$peers" && node "$script" "$@"); }

# target WHAT VALUE RELATION LIMIT, the relation >= or <=
target() {
    awk -v what="$1" -v v="$2" -v r="$3" -v l="$4" 'BEGIN {
        met = v == "" ? "not measured" : (r == ">=" ? v + 0 >= l : v + 0 <= l) ? "met" : "MISSED"
        printf "  target %-44s %9s %s %-6s %s\n", what, v, r, l, met }'
}
wants() { [[ ,$only, == *,$1,* ]]; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {if (b > 0) printf "%.2f", a / b}'; }

# unpack SET FILE…: the texts as files that bench_tokenizer reads, names in $unpacked
unpack() {
    local set=$1 file plain
    unpacked=()
    shift
    for file in "$@"; do
        if [[ $file == *.zst ]]; then
            plain=$work/$set.$(basename "${file%.zst}")
            zstd -qdc "$file" >"$plain"
            file=$plain
        fi
        unpacked+=("$file")
    done
}

# ---- encoding ----

best= # peer's MB/s
encode_peers() { # SET
    local set=$1 speed line rate
    "$ours" -w "$work/$set.peers" -m "$peer_bytes" "${unpacked[@]}"
    "$ours" -n 5 -i "$work/$set.ids" "$ranks" "$work/$set.peers.jsonl" >"$work/$set.part"
    speed=$(awk '$1 == "encode" {print $2}' "$work/$set.part")
    printf '%-16s %8.1f MB/s  of what peers get, %d bytes\n' wetmill "$speed" "$(stat -c %s "$work/$set.peers.docs")"
    npm encode "$work/$set.peers.jsonl" "$work/$set.ids" "$speed" "$work/hf/tokenizer.json" \
        ai-tokenizer,tiktoken,tokenizers >"$work/$set.npm" || echo "npm peers failed" >&2
    cat "$work/$set.npm"
    if [ -n "$rust_gems" ]; then
        rate=$("$rust_gems" "$work/$set.peers.docs" "$work/$set.rust")
        line='OTHER IDS'
        cmp -s "$work/$set.ids" "$work/$set.rust" && line='same ids'
        printf '%-16s %8.1f MB/s  we are %s times that, %s\n' rust-gems "$rate" "$(ratio "$speed" "$rate")" "$line" |
            tee -a "$work/$set.npm"
    fi
    best=$(awk '$3 == "MB/s" && $2 > best {best = $2} END {print best}' "$work/$set.npm")
    times=$(ratio "$speed" "${best:-0}")
}

encode() { # SET LEAST-MB/S LEAST-TIMES
    local set=$1
    echo "== encoding, cl100k: $set"
    "$ours" -n 5 -t 2 "$ranks" "${unpacked[@]}" | tee "$work/$set.all"
    encode_peers "$set"
    target "$set, MB/s" "$(awk '$1 == "encode" {print $2}' "$work/$set.all")" '>=' "$2"
    target "$set, times the best peer here" "$times" '>=' "$3"
    target "$set, 2 threads, times one" "$(awk '$2 == "threads" {print $3}' "$work/$set.all")" '>=' 1.85
}

runs() {
    echo "== long runs, cl100k, 1 MB (1,000,000 bytes)"
    "$ours" -r "$ranks" | tee "$work/runs"
    while read -r _ name speed _ _ _ _ longer _; do
        case $name in
        DNA | hex | Han) target "random $name, MB/s" "$speed" '>=' 15 ;;
        *) target "one character ($name), MB/s" "$speed" '>=' 100 ;;
        esac
        target "$name, time(8 MB) / time(1 MB)" "$longer" '<=' 9
    done < <(grep '^run' "$work/runs")
    target "load .tiktoken, ms" "$(awk '$1 == "load" {print $2}' "$work/runs")" '<=' 20
    target "load tokenizer.json, ms" \
        "$("$ours" -r "$work/hf/tokenizer.json" | awk '$1 == "load" {print $2}')" '<=' 60
}

# ---- training ----

# measured NAME COMMAND…: seconds and MiB into $seconds and $mib
measured() {
    local name=$1 cpu kib
    shift
    if ! "$measure" "$work/measured" "$@" >"$work/log" 2>&1; then
        echo "$name failed: $(tail -n 1 "$work/log")"
        seconds='' mib=''
        return
    fi
    read -r seconds cpu kib <"$work/measured"
    mib=$((kib / 1024))
    printf '%-28s %8.2f s  %8.2f s CPU  %6d MiB\n' "$name" "$seconds" "$cpu" "$mib"
}

train() { # SET
    local set=$1 text=$work/$1.train our_seconds our_mib best_seconds=''
    "$ours" -w "$text" -l -m "$train_bytes" "${unpacked[@]}"
    echo "== training, $set, $(stat -c %s "$text.txt") bytes, 2 threads"
    local options=(-j 2 --vocabulary 32000)
    measured "wetmill, 32,000" "$wetmill" tokenizer train -o "$work/$set.32" "${options[@]}" "$text.jsonl"
    our_seconds=$seconds our_mib=$mib
    measured "Hugging Face, 30,000" env RAYON_NUM_THREADS=2 bash -c "cd '$peers' && exec node '$script' train '$text.txt' '$work/$set.hf.json'"
    best_seconds=$seconds
    local hf_mib=$mib hf_seconds=$seconds
    if [ -n "$hf_seconds" ]; then # the same task: all bytes seen, every pair, one special token more
        measured "wetmill, as Hugging Face" "$wetmill" tokenizer train -o "$work/$set.30" -j 2 --vocabulary 30001 \
            --alphabet seen --min-frequency 1 --max-token 65536 "$text.jsonl"
        npm merges "$work/$set.30/tokenizer.json" "$work/$set.hf.json"
    fi
    if [ -n "$rustbpe" ]; then
        measured "rustbpe, 32,000" "$rustbpe" 32000 "$text.txt"
        best_seconds=$(printf '%s\n' "$best_seconds" "$seconds" | grep . | sort -g | head -n 1)
    fi
    target "$set, best peer's time / ours" "$(ratio "${best_seconds:-0}" "$our_seconds")" '>=' 3
    target "$set, our memory / Hugging Face's" "$(ratio "$our_mib" "${hf_mib:-0}")" '<=' 0.5
    if command -v spm_train >/dev/null; then # far slower: a tenth of the text, and we the same
        local tenth=$work/$set.tenth
        "$ours" -w "$tenth" -l -m $((train_bytes / 10)) "${unpacked[@]}"
        measured "SentencePiece, a tenth" spm_train --input="$tenth.txt" --model_prefix="$work/spm" --model_type=bpe \
            --vocab_size=32000 --num_threads=2 --max_sentence_length=1000000 --character_coverage=1
        local spm_seconds=$seconds
        measured "wetmill, a tenth" "$wetmill" tokenizer train -o "$work/$set.10" "${options[@]}" "$tenth.jsonl"
        echo "SentencePiece takes $(ratio "${spm_seconds:-0}" "$seconds") times as long"
    fi
}

# ----

echo "load average before: $(cut -d' ' -f1-3 /proc/loadavg 2>/dev/null || uptime)"
ranks=$work/cl100k_base.tiktoken
npm ranks "$ranks"
if [ ! -s "$ranks" ]; then
    wants train || { echo "no ranks without npm tiktoken" >&2 && exit 1; }
    only=train
else
    "$wetmill" tokenizer convert "$ranks" "$work/hf" 2>/dev/null
fi
wants runs && runs
for set in english others; do
    declare -n files=$set
    [ ${#files[@]} -gt 0 ] || continue
    unpack $set "${files[@]}"
    if wants encode; then
        if [ $set = english ]; then encode $set 140 3; else encode $set 80 2.5; fi
    fi
    if wants train; then train $set; fi
done
echo "load average after: $(cut -d' ' -f1-3 /proc/loadavg 2>/dev/null || uptime)"
