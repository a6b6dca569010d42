#!/usr/bin/env bash
# SentencePiece here and in spm_encode, each line of TEXT: CPU seconds, medians of ROUNDS alternating
# runs, model loading and the printing of ids included; and without printing. The ids must be equal.
#
#     bench/sentencepiece.sh BUILD-DIRECTORY MODEL TEXT [ROUNDS]
set -euo pipefail
ours=$1/bench/bench_sentencepiece
model=$2 text=$3 rounds=${4:-5}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
command -v spm_encode >/dev/null || { echo "no spm_encode here" >&2; exit 1; }
[ -x "$ours" ] || { echo "no $ours: ninja -C $1 bench_sentencepiece" >&2; exit 1; }

"$ours" "$model" "$text" ids >"$work/ours" 2>/dev/null
spm_encode --model="$model" --output_format=id <"$text" >"$work/theirs"
cmp "$work/ours" "$work/theirs"

# cpu FILE COMMAND…: append user and system seconds to FILE
cpu() {
    local file=$1 TIMEFORMAT='%U %S'
    shift
    { time "$@" >/dev/null 2>&1; } 2>>"$file"
}
for ((i = 0; i < rounds; i++)); do
    cpu "$work/a" "$ours" "$model" "$text" ids
    cpu "$work/b" spm_encode --model="$model" --output_format=id "$text"
    cpu "$work/c" "$ours" "$model" "$text" nothing
done
median() { awk '{print $1 + $2}' "$1" | sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
awk -v a="$(median "$work/a")" -v b="$(median "$work/b")" -v c="$(median "$work/c")" \
    -v bytes="$(wc -c <"$text")" 'BEGIN {
    printf "wetmill, ids printed  %6.2f s  %6.1f MB/s\n", a, bytes / 1e6 / a
    printf "wetmill, not printed  %6.2f s  %6.1f MB/s\n", c, bytes / 1e6 / c
    printf "spm_encode, ids       %6.2f s  %6.1f MB/s\n", b, bytes / 1e6 / b
    printf "ratio %.1f (printed), %.1f (not printed); equal ids\n", b / a, b / c
}'
