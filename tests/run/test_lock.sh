#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two runs in one directory: the second says who is there; a dead one is taken over.
. "$WM_SOURCE_DIR/tests/cli/lib.sh"

for i in $(seq 400); do record "http://a.example/$i" "page $i with some words to read, number $i"; done >all.wet
cat >job.yaml <<'YAML'
version: 1
output: out
input: {paths: [all.wet]}
corpus: {stages: [normalize]}
tokenizer: {vocabulary: 300, split: cl100k}
shards: {validation_share: 0.1}
train: {layers: 1, heads: 2, width: 16, context: 16, batch: 2, steps: 100000, warmup: 2, checkpoint_every: 5}
YAML

# start COMMAND…: in the background until it holds its lock; $pid.
start() {
    local lock=$1 i
    shift
    "$@" >bg.txt 2>&1 </dev/null &
    pid=$!
    for i in $(seq 600); do
        [ -s "$lock" ] && return
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    fail "did not take $lock: $* — $(head -c 400 bg.txt)"
}

start out/lock "$WETMILL" run job.yaml -j1
expect 1 "another run is at work here: process $pid on .*, since 20..-..-..T" "$WETMILL" run job.yaml
expect 1 "hint: wait for it, or stop it: kill $pid" "$WETMILL" run job.yaml
holds "the first one goes on" kill -0 "$pid"
kill -STOP "$pid"
touch -d '1 hour ago' out/lock
expect 1 "process $pid" "$WETMILL" run job.yaml # asleep, not dead
kill -KILL "$pid"
wait "$pid" 2>/dev/null
holds "a killed run leaves its lock" test -e out/lock
# The train step is bounded here, so that the run ends.
expect 0 "took over from process $pid .*: its process is gone" "$WETMILL" run job.yaml --set train.steps=20
holds "the lock is gone" test ! -e out/lock
holds "no claim stays" test ! -e out/lock.claim
expect 0 "up to date" "$WETMILL" run job.yaml --set train.steps=20

# Stopped by a signal: let go at once.
start out/lock "$WETMILL" run job.yaml -j1
kill -TERM "$pid"
wait "$pid"
[ $? = 143 ] || fail "a run that was asked to stop gave $?"
holds "the lock is gone after SIGTERM" test ! -e out/lock

# One step alone, whose lock stands beside its directory, however that is written.
start model.lock "$WETMILL" train out/shards -o model --layers 1 --heads 2 --width 16 --context 16 --steps 100000
expect 1 "model.lock: another run is at work here: process $pid" "$WETMILL" train out/shards -o model/ --steps 10
expect 1 "process $pid" "$WETMILL" corpus build -o model all.wet
kill -KILL "$pid"
wait "$pid" 2>/dev/null
expect 0 "took over" "$WETMILL" train out/shards -o model/ --layers 1 --heads 2 --width 16 --context 16 --steps 10
holds "the lock beside is gone" test ! -e model.lock

# A run elsewhere, by what it wrote: alive for a minute after its last sign.
cat >out/lock <<'LOCK'
wetmill-lock 1
host node17
boot 11111111-2222-3333-4444-555555555555
space pid:[4026531836]
pid 4711
started 99
since 2024-02-21T10:15:00Z
name 00000000000000000000000000000000
LOCK
expect 1 "process 4711 on node17, since 2024-02-21T10:15:00Z" "$WETMILL" run job.yaml --set train.steps=20
touch -d '2 minutes ago' out/lock
expect 0 "took over from process 4711 on node17.* no sign of life for 1[0-9][0-9] seconds" "$WETMILL" run job.yaml --set train.steps=20

# A finished run that may not be written to is still up to date.
if [ "$(id -u)" != 0 ]; then
    chmod a-w out
    expect 0 "up to date" "$WETMILL" run job.yaml --set train.steps=20
    chmod u+w out
fi

# Wrong configuration, no input: nothing is left behind.
expect 2 "" "$WETMILL" corpus build -o a/b/c missing.wet
holds "nothing is touched" test ! -e a

# Two that start at the same moment: one does it, the other says so (or finds it done).
for i in 1 2 3; do
    rm -rf both
    "$WETMILL" corpus build -o both all.wet >one.txt 2>&1 & one=$!
    "$WETMILL" corpus build -o both all.wet >two.txt 2>&1 & two=$!
    wait $one; a=$?
    wait $two; b=$?
    case $a$b in 00 | 01 | 10) ;; *) fail "two at once gave $a and $b: $(cat one.txt two.txt)" ;; esac
    holds "the corpus is there" test -s both/step.json
    holds "no lock is left" test ! -e both.lock
done
summary
