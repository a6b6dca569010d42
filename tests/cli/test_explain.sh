#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What --explain says of too little memory, too little disk and input that cannot be read.
. "$WM_SOURCE_DIR/tests/cli/lib.sh"
w=$WETMILL

for i in $(seq 40); do record "http://a.example/$i" "page $i with some words to read, number $((i * 7919))"; done >all.wet
build=("$w" corpus build -o out -j 1 --max-record 1MiB -s normalize all.wet)

# What is said to be needed is enough, and what is shown as less is not.
for plan in --dry-run --explain; do
    expect 2 'this would be refused: step corpus needs at least [0-9.]+ MB of memory, the limit is 1.00 MB$' "${build[@]}" "$plan" -m 1M
    grep -q '^corpus .*would run$' out.txt || fail "the plan is not shown"
    grep -qE 'needs --memory [0-9.]+MB, MORE THAN THE LIMIT' out.txt || fail "no word of the limit: $(cat out.txt)"
    grep -qE '^memory limit 1.00 MB, free disk [0-9.]+ ' out.txt || fail "no limits: $(cat out.txt)"
    need=$(sed -n 's/.*hint: raise --memory, to \([0-9.]*MB\)$/\1/p' err.txt)
    expect 0 "\(.*needs --memory $need\), disk" "${build[@]}" "$plan" -m "$need"
done
expect 2 "error: step corpus needs at least ${need/MB/ MB} of memory, the limit is 1.00 MB$" "${build[@]}" -m 1M
digits=${need//[^0-9]/}
less=$((digits - 2)) # of the same number of decimals
less=$(awk -v need="${need%MB}" -v less="$less" -v all="$digits" 'BEGIN { print need * less / all }')
expect 2 "to $need$" "${build[@]}" -m "${less}M"
holds "nothing was written" test ! -e out
expect 0 "documents kept" "${build[@]}" -m "$need"
rm -r out

# A prediction, what it may come to, and what it takes to begin are three things.
expect 0 'memory [0-9.]+ MB \(at most [0-9.]+ MB, needs --memory [0-9.]+MB\), disk [0-9.]+ k?B$' "${build[@]}" --explain

# Steps that are not asked for are not what is refused.
cat >job.yaml <<'YAML'
version: 1
output: whole
input: {paths: [all.wet], max_record: 1MiB}
corpus: {stages: [normalize]}
tokenizer: {vocabulary: 300, split: cl100k}
shards: {}
train: {layers: 2, heads: 2, width: 1024, context: 64, batch: 2, steps: 4}
YAML
expect 2 'refused: step train needs at least' "$w" run job.yaml -j 1 --dry-run -m "$need"
grep -q "hint: raise --memory, to [0-9.]*[MG]B, or lower micro_batch" err.txt || fail "no hint: $(cat err.txt)"
holds "the steps before it have enough" test "$(grep -c 'MORE THAN THE LIMIT' out.txt)" = 1
expect 0 'corpus +archives' "$w" run job.yaml -j 1 --dry-run -m "$need" --only corpus
holds "steps behind --only are left out" test "$(grep -c 'would run' out.txt)" = 1

# More than the disk has: a file system without room.
[ "$(df --output=avail /proc 2>/dev/null | tail -n 1 | tr -d ' ')" != 0 ] ||
    expect 0 '^more than the free disk: step corpus, up to [0-9.]+ kB$' "$w" corpus build -o /proc/none --dry-run all.wet

# What cannot be read is named.
printf '%s\n' absent.wet all.wet >some.paths
expect 0 '1 of the files cannot be read; memory' "$w" corpus build -o out --explain some.paths
grep -q '^  *the first that cannot be read is absent.wet: cannot open: No such file' out.txt || fail "not named: $(cat out.txt)"
printf '%s\n' absent.wet nowhere.wet >none.paths
expect 1 'error: none of the 2 input files can be read; the first is absent.wet: cannot open: No such file' "$w" corpus build -o out none.paths
head -n 1 none.paths >one.paths
expect 1 'error: the only input file cannot be read: absent.wet: cannot open: No such file' "$w" corpus build -o out one.paths
mkdir empty
expect 2 'error: empty: there is no input: the paths name no file' "$w" corpus build -o out empty
summary
