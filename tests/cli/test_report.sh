#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# wetmill report: what a run printed at its end, from its directory.
. "$WM_SOURCE_DIR/tests/cli/lib.sh"

for i in $(seq 40); do record "http://a.example/$i" "page $i with some words to read, number $((i * 7919))"; done >all.wet
cat >job.yaml <<'YAML'
version: 1
output: out
input: {paths: [all.wet]}
corpus: {stages: [normalize, length: {min_characters: 44}]}
tokenizer: {vocabulary: 280, split: cl100k}
shards: {}
YAML
expect 2 "there are no results of wetmill here" "$WETMILL" report "$work"
expect 2 "wants DIR" "$WETMILL" report
expect 0 "dropped by length: too-short" "$WETMILL" run job.yaml
sed -n '/^  corpus /,$p' err.txt >said.txt
"$WETMILL" report out >report.txt 2>err.txt || fail "report gave $?"
holds "report prints on standard output alone" test ! -s err.txt
holds "there is a summary" test -s said.txt
holds "the run says how much memory each step took" grep -qE '^  memory +[0-9.]+ MB  at the peak of step corpus, [0-9.]+ [kM]?B of disk$' said.txt
# that is of the run, not of its results
diff <(sed '/^$/d; / at the peak of step /d' said.txt) <(sed '/^$/d' report.txt) >&2 || fail "report is not what the run said"
expect 0 "documents kept" "$WETMILL" report out/corpus
expect 0 "^Results:" "$WETMILL" report out/corpus
expect 0 "train tokens from" "$WETMILL" report out/shards/
expect 0 '"at_work": false' "$WETMILL" report out --json

# Stopped, at work, damaged.
mkdir -p begun/work/tokenizer alone.work
expect 0 "Step tokenizer is not finished" "$WETMILL" report begun
holds "no empty line first" test -n "$(head -n 1 out.txt)"
for command in report verify; do
    expect 2 "hint: name the output directory" "$WETMILL" $command alone/
done
touch alone.work/identity
for command in report verify; do
    expect 2 "hint: alone.work holds unfinished work: the command that began it goes on with it" "$WETMILL" $command alone/
done
mkdir -p out/work/tokenizer
expect 0 "Step tokenizer is not finished: the same command goes on" "$WETMILL" report out
printf 'wetmill-lock 1\nhost h\nboot b\nspace s\npid 7\nstarted 1\nsince 2024-01-01T00:00:00Z\nname n\n' >out/lock
expect 0 "Another run is at work here: process 7 on h" "$WETMILL" report out
expect 1 "another run is at work here: process 7 on h" "$WETMILL" verify out
expect 0 '"at_work": true' "$WETMILL" report out --json
echo '{' >out/corpus/step.json
expect 0 "The record of step corpus is damaged" "$WETMILL" report out
expect 0 '"damaged": \[$' "$WETMILL" report out --json
summary
