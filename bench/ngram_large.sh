#!/usr/bin/env bash
# N-gram scoring on a model too large for any cache: `wetmill lm train` makes one of TEXT (a sentence
# a line), of which every 25th line is kept to be scored; without TEXT, of random sentences whose
# words are as frequent as those of a language (Zipf), so that most of its long n-grams are unique.
# Then bench_ngram, and with --kenlm DIR (a build of KenLM) its build_binary and query.
#
#     bench/ngram_large.sh [--build DIR] [--order N] [--tokens N] [--keep DIR] [--kenlm DIR] [TEXT…]
#
# --tokens: of random text; --keep: where the model and the sentences stay. About 70 bytes of model
# and 200 bytes of scratch space for a token.
set -euo pipefail
build=build/release order=4 tokens=12000000 keep='' kenlm=''
while [[ ${1-} == --* ]]; do
    case $1 in
    --build | --order | --tokens | --keep | --kenlm) declare "${1#--}=${2:?$1 wants a value}" ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
    esac
    shift 2
done
work=$(mktemp -d "${TMPDIR:-/tmp}/wetmill-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
[ -z "$keep" ] || mkdir -p "$keep"
to=${keep:-$work}

# A word's rank is exp of a uniform number: rank r comes up as 1 / r. Sentences have 5 to 44 words.
random_text() {
    awk -v tokens="$tokens" 'BEGIN {
        srand(1)
        for (n = 0; n < tokens;) {
            words = 5 + int(40 * rand()); n += words
            line = "w" int(exp(13 * rand()))
            while (--words) line = line " w" int(exp(13 * rand()))
            print line } }'
}

if [ $# -gt 0 ]; then cat -- "$@"; else random_text; fi |
    awk -v test="$to/scored.txt" -v train="$work/train.txt" '{ print > (NR % 25 ? train : test) }'
"$build/wetmill" lm train -q --order "$order" --discount-fallback --format text --text-unit line \
    --scratch "$work" -o "$work/model.arpa" "$work/train.txt"
"$build/wetmill" lm convert "$work/model.arpa" "$to/model.wmlm"
bytes=$(stat -c %s "$to/model.wmlm")
echo "order $order, $(wc -w <"$work/train.txt") words of text, $((bytes / 1000000)) MB"
[ "$bytes" -ge 500000000 ] || echo "less than 500 MB: give it more text"
"$build/bench/bench_ngram" "$to/model.wmlm" "$to/scored.txt" 5

[ -n "$kenlm" ] || exit 0
"$kenlm/bin/build_binary" probing "$work/model.arpa" "$work/model.probing" >/dev/null 2>&1
echo "KenLM's probing model, read by us:"
"$build/bench/bench_ngram" "$work/model.probing" "$to/scored.txt" 5
# the text eight times and once: what is between is scoring alone
for _ in 1 2 3 4 5 6 7 8; do cat "$to/scored.txt"; done >"$work/eight.txt"
cpu() {
    local TIMEFORMAT='%U %S'
    { time "$kenlm/bin/query" -v summary "$work/model.probing" <"$1" >/dev/null 2>&1; } 2>&1 |
        awk '{ print $1 + $2 }'
}
awk -v one="$(cpu "$to/scored.txt")" -v eight="$(cpu "$work/eight.txt")" \
    -v tokens=$(($(wc -w <"$to/scored.txt") + $(wc -l <"$to/scored.txt"))) 'BEGIN {
    printf "KenLM query, probing: %.2f M tokens/s\n", 7 * tokens / (eight - one) / 1e6 }'
