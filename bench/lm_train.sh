#!/usr/bin/env bash
# Speed of `wetmill lm train`: tokens per CPU second (user and system) and peak memory, at order 5,
# one thread; with --kenlm DIR also lmplz of that build directory, turn by turn, and the ratio.
#
#     bench/lm_train.sh [--wetmill PROGRAM] [--kenlm DIR] [--turns N] CORPUS.txt
set -eu
wetmill=build/release/wetmill kenlm='' turns=3
while [ $# -gt 1 ]; do
    case $1 in
    --wetmill) wetmill=$2 ;;
    --kenlm) kenlm=$2 ;;
    --turns) turns=$2 ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
    esac
    shift 2
done
corpus=${1:?usage: bench/lm_train.sh [--wetmill PROGRAM] [--kenlm DIR] [--turns N] CORPUS.txt}
work=$(mktemp -d "${TMPDIR:-/tmp}/wetmill-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
tokens=$(wc -w <"$corpus")

# measure NAME COMMAND…: one line of "user system KiB" in NAME.
measure() {
    local name=$1
    shift
    /usr/bin/time -a -o "$work/$name" -f '%U %S %M' "$@" <"$corpus" >"$work/out.arpa" 2>"$work/err" ||
        { cat "$work/err" >&2; exit 1; }
    rm -f "$work/out.arpa"
}

for _ in $(seq "$turns"); do
    measure wetmill "$wetmill" lm train -q -j 1 --order 5 --discount-fallback --memory 2GiB --scratch "$work" -o "$work/out.arpa" -
    [ -z "$kenlm" ] || measure lmplz "$kenlm/bin/lmplz" -o 5 --discount_fallback -S 2G -T "$work/" --arpa "$work/out.arpa"
done

# The best turn of each: the machine's other work can only slow a program down.
for name in wetmill lmplz; do
    [ -e "$work/$name" ] || continue
    awk -v tokens="$tokens" -v name=$name '
        { t = $1 + $2; if (!n++ || t < best) { best = t; memory = $3 } }
        END { printf "%-8s %.2f CPU s, %.2f M tokens per CPU s, %d MiB\n", name, best, tokens / best / 1e6, memory / 1024
              print best > "'"$work"'/" name ".best" }' "$work/$name"
done
[ -z "$kenlm" ] || awk 'NR == 1 { ours = $1 } NR == 2 { printf "ratio    %.2f\n", $1 / ours }' \
    "$work/wetmill.best" "$work/lmplz.best"
