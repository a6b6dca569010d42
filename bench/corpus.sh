#!/usr/bin/env bash
# The corpus part beside its peers, in one run: bench_corpus (decompression, each stage, the chain,
# fasttext), then SentencePiece beside spm_encode, n-gram models beside KenLM, cc_net's two passes.
# All figures are CPU seconds, user and system. What is not given or not installed is named and left
# out.
#
#     bench/corpus.sh [--build DIR] [--rounds N] [--language LID.bin]
#         [--sentencepiece LANG.sp.model] [--lm LANG.arpa.bin]
#         [--kenlm DIR] [--ccnet DIR] [--python PROGRAM] FILE.gz…
#
# --kenlm: a build of KenLM (bin/query, bin/lmplz); --ccnet: a checkout of cc_net, run by --python.
set -euo pipefail
here=$(dirname "$0")
build=build/release rounds=3 language='' sentencepiece='' lm='' kenlm='' ccnet='' python=python3
while [[ ${1-} == --* ]]; do
    case $1 in
    --build | --rounds | --language | --sentencepiece | --lm | --kenlm | --ccnet | --python)
        declare "${1#--}=${2:?$1 wants a value}" ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
    esac
    shift 2
done
[ $# -gt 0 ] || { echo "usage: bench/corpus.sh [options] FILE.gz..." >&2; exit 2; }
for program in wetmill bench/bench_corpus bench/bench_sentencepiece; do
    [ -x "$build/$program" ] ||
        { echo "no $program: ninja -C $build wetmill bench_corpus bench_sentencepiece" >&2; exit 1; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/wetmill-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
text_bytes=20000000 # of text for SentencePiece and n-gram models

"$build/bench/bench_corpus" -r "$rounds" ${language:+-l "$language"} \
    ${sentencepiece:+-p "$sentencepiece"} ${lm:+-n "$lm"} "$@"

# title TEXT: a heading; left_out TEXT: why there is nothing below it
title() { printf '\n%s\n' "$1"; }
left_out() { echo "left out: $1"; }

"$build/bench/bench_corpus" -t "$work/all" "$@"
# whole lines only
head -c "$text_bytes" "$work/all" | sed '$d' >"$work/text"
rm "$work/all"

# cpu NAME COMMAND…: add a round's seconds to NAME
cpu() {
    local name=$1 TIMEFORMAT='%U %S'
    shift
    { time "$@" >/dev/null 2>"$work/err"; } 2>>"$work/$name" || { cat "$work/err" >&2; exit 1; }
}
query_pieces() { "$kenlm/bin/query" -v sentence "$lm" <"$work/pieces"; }
median() { awk '{print $1 + $2}' "$work/$1" | sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

title "SentencePiece alone"
if [ -z "$sentencepiece" ]; then
    left_out "no --sentencepiece"
elif ! command -v spm_encode >/dev/null; then
    left_out "no spm_encode here"
else
    bash "$here/sentencepiece.sh" "$build" "$sentencepiece" "$work/text" "$rounds"
fi

title "n-gram models"
if [ -z "$kenlm" ]; then
    left_out "no --kenlm"
elif [ -z "$sentencepiece" ]; then
    left_out "no --sentencepiece, so no words"
else
    "$build/bench/bench_sentencepiece" "$sentencepiece" "$work/text" pieces >"$work/pieces" 2>/dev/null
    if [ -z "$lm" ]; then
        left_out "scoring: no --lm"
    elif [ ! -x "$kenlm/bin/query" ]; then
        left_out "scoring: no $kenlm/bin/query"
    else
        for ((i = 0; i < rounds; i++)); do
            cpu score "$build/wetmill" lm score "$lm" "$work/pieces"
            cpu query query_pieces
        done
        awk -v ours="$(median score)" -v theirs="$(median query)" \
            -v tokens=$(($(wc -w <"$work/pieces") + $(wc -l <"$work/pieces"))) 'BEGIN {
            printf "wetmill lm score  %.2f CPU s, %.2f M tokens per CPU s\n", ours, tokens / ours / 1e6
            printf "KenLM query       %.2f CPU s, %.2f M tokens per CPU s\n", theirs, tokens / theirs / 1e6
            printf "ratio %.2f; model opened and a line a sentence printed by both\n", theirs / ours }'
    fi
    if [ -x "$kenlm/bin/lmplz" ]; then
        bash "$here/lm_train.sh" --wetmill "$build/wetmill" --kenlm "$kenlm" --turns "$rounds" "$work/pieces"
    else
        left_out "training: no $kenlm/bin/lmplz"
    fi
fi

title "cc_net"
if [ -z "$ccnet" ]; then
    left_out "no --ccnet"
elif ! command -v "$python" >/dev/null; then
    left_out "no $python here"
elif PYTHONPATH=$ccnet "$python" "$here/ccnet_passes.py" "$@" >"$work/ccnet" 2>"$work/err"; then
    awk -v bytes="$(gzip -dc "$@" | wc -c)" '{
        printf "parse   %.2f CPU s, %.1f MB per CPU s; %d documents\n", $2, bytes / 1e6 / $2, $1
        printf "hashes  %.2f CPU s, %.1f MB per CPU s\n", $3, bytes / 1e6 / $3
        printf "dedup   %.2f CPU s, %.1f MB per CPU s\n", $4, bytes / 1e6 / $4
        printf "both    %.2f CPU s, %.1f MB per CPU s\n", $3 + $4, bytes / 1e6 / ($3 + $4) }' "$work/ccnet"
elif [ -s "$work/ccnet" ]; then
    left_out "$(cat "$work/ccnet")"
else
    left_out "it has failed: $(tail -n 1 "$work/err")"
fi
