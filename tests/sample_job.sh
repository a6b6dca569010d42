#!/usr/bin/env bash
# The quick start's promises: validation loss at least 1 nat under the unigram entropy, samples in the
# language of their prompts, and nothing to do the second time. sample_job.sh WETMILL
set -euo pipefail
cd "$(dirname "$0")/.."
wetmill=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$wetmill" run samples/quickstart.yaml -o "$work/out" --progress never 2>&1 | tee "$work/log" | grep -v '^step '
loss=$(sed -nE 's/^ +([0-9.]+)  validation loss.*/\1/p' "$work/log")
unigram=$(sed -nE 's/^ +([0-9.]+)  unigram entropy.*/\1/p' "$work/log")
awk -v l="$loss" -v u="$unigram" 'BEGIN { printf "%.2f nats under the unigram entropy\n", u - l; exit !(u - l >= 1.0) }'

# README shows what is really printed (up to where the results stand); peaks differ from run to run
peaks() { sed -E 's/[0-9.]+ [kMG]?B  (at the peak of step [a-z]+), [0-9.]+ [kMG]?B of disk$/N  \1, N of disk/; /at the peak/s/ +/ /g' "$@"; }
sed -n '/^What the quick start prints/,/^Results/p' README.md | sed -n '/^```$/,$p' | grep -E '^ ' | peaks >"$work/readme"
while IFS= read -r line; do
    grep -qFx -- "$line" <(peaks "$work/log") || { echo "README shows another output: $line" >&2; exit 1; }
done <"$work/readme"
[ -s "$work/readme" ]

# The languages of the prompts in samples/quickstart.yaml, in their order
want="en en en fr fr de de es ru ja"
"$wetmill" corpus build -q -o "$work/languages" -s language:model=samples/lid.176.ftz:min_score=0 \
    --format jsonl --compression none "$work/out/samples/samples.jsonl"
got=$(sed -nE 's/.*"language":"([a-z]+)".*/\1/p' "$work/languages/corpus_0000.jsonl" | tr '\n' ' ')
hits=$(paste -d ' ' <(tr ' ' '\n' <<<"$want") <(tr ' ' '\n' <<<"$got") | awk '$1 == $2 && $1 != "" { n++ } END { print n + 0 }')
echo "$hits of 10 samples have their prompt's language: $got"
[ "$hits" -ge 8 ]

again=$("$wetmill" run samples/quickstart.yaml -o "$work/out" --progress never 2>&1)
[ "$(grep -c 'up to date' <<<"$again")" = 5 ]
"$wetmill" shards verify "$work/out/shards"
