#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# After a stop the summary says how much of what had been done was done again.
. "$WM_SOURCE_DIR/tests/cli/lib.sh"

# stop_at SIGNAL FILE COMMAND…: stop it once FILE (a pattern) is there.
stop_at() {
    local signal=$1 file=$2 pid i
    shift 2
    "$@" >bg.txt 2>&1 </dev/null &
    pid=$!
    for i in $(seq 3000); do
        compgen -G "$file" >/dev/null && break
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.01
    done
    kill "-$signal" "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
}

# Tasks of a corpus. What was read of a task that was not finished is read again, never all.
mkdir in
for i in 1 2 3 4 5 6; do cp "$WM_SOURCE_DIR"/samples/crawl/*-00000.warc.wet.gz in/$i.wet.gz; done
total=$(cat in/* | wc -c)
build=("$WETMILL" corpus build -o out -j1 -s normalize in)
stop_at KILL "out.work/commits/pass0/00000[23].json" "${build[@]}"
if [ -e out.work/position ]; then # it is written each second; this machine may be faster
    holds "the position is of the corpus" grep -qE "^[0-9]+ bytes corpus$" out.work/position
fi
printf '%d bytes corpus\nend\n' "$total" >out.work/position # as if all had been read, two or more tasks kept
expect 0 "Went on after a stop: corpus: .* had been done, .* of it again" "${build[@]}"
grep -qE "corpus: ([0-9.]+ MB) had been done, (\1|0 B) of it again" err.txt && fail "nothing was kept, or all: $(grep Went err.txt)"
expect 0 "up to date" "${build[@]}"
grep -q "Went on" err.txt && fail "an up-to-date run went on: $(cat err.txt)"

# Nothing kept; phases that are no more; lines that are none.
rm -rf out
stop_at KILL "out.work/commits/pass0/000000.json" "${build[@]}"
rm -rf out.work/commits out.work/parts
printf '1000 bytes corpus\n99 bytes no such phase\nnonsense\n-1 bytes corpus\n7 bytes \nend\n' >out.work/position
expect 0 "Went on after a stop: corpus: 1.00 kB had been done, 1.00 kB of it again" "${build[@]}"
grep -q "no such phase: 99 B had been done, 0 B of it again" err.txt || fail "a phase that is no more: $(cat err.txt)"
holds "two phases are told of" test "$(grep -c 'Went on' err.txt)" = 2
holds "the position goes with the working state" test ! -e out.work

# A power cut left part of a position: nothing of it is believed.
rm -rf out
stop_at KILL "out.work/commits/pass0/000000.json" "${build[@]}"
printf '1000 bytes corpus\n2000 bytes co' >out.work/position
expect 0 "documents" "${build[@]}"
grep -q "Went on" err.txt && fail "part of a position was believed: $(cat err.txt)"

# Training that is asked to stop saves its last step: nothing is done again.
for i in $(seq 40); do record "http://a.example/$i" "page $i with some words to read, number $((i * 7919))"; done >all.wet
cat >job.yaml <<'YAML'
version: 1
output: run
input: {paths: [all.wet]}
tokenizer: {vocabulary: 280, split: cl100k}
shards: {}
train: {layers: 1, heads: 2, width: 16, context: 16, batch: 2, steps: 1200, warmup: 2, checkpoint_every: 100}
YAML
stop_at TERM "run/work/train/checkpoint-*0.ckpt" "$WETMILL" run job.yaml -j1
holds "the position stands with the checkpoint" grep -qE "^[0-9]+ tokens train$" run/work/train/position
expect 0 "Went on after a stop: train: [0-9,]+ tokens had been done, 0 tokens of it again" "$WETMILL" run job.yaml
summary
