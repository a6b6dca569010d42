#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Faults of a whole run: a full disk, interrupted and short calls, a directory that may not be
# written, input that changes or comes slowly. run.sh prepares DIR:  whole.sh WETMILL DIR
set -u
w=$1 dir=$2
passed=0 failed=0
cd "$dir" && mkdir whole && ln -s ../in ../base whole/ || exit

check() { # WHAT COMMAND…
    local what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED %s: %s\n' "$what" "$(tail -n 2 err.txt | head -c 300)"
    fi
}
begin() { rm -rf "$dir/whole/job" && mkdir "$dir/whole/job" && cd "$dir/whole/job" || exit; }
job() { timeout 120 "$w" run ../in/job.yaml -o out -j 2 --progress never "$@" >out.txt 2>err.txt </dev/null; }
results() { (cd "$1" && find . -path ./log -prune -o -type f -print | sort | xargs sha256sum); }
same() { [ "$(results out)" = "$want" ]; }
says() { grep -q "$1" err.txt; }
# the fault's exit code, then the same command without it
mended() {
    job
    [ $? = 3 ] && same
}
want=$(results "$dir/base/run")

for n in 1 2 3; do
    for mode in short eintr; do
        begin
        WM_FAULT_MODE=$mode:$n LD_PRELOAD=$dir/inject.so job
        check "$mode calls, seed $n" [ $? = 3 ]
        check "$mode calls, seed $n: results" same
    done
done

# The disk is full after N bytes: at the start, in each step, at the end; then there is room.
size=$(du -sb "$dir/base/run" | cut -f 1)
for n in 0 100 2000 $(seq $((size / 12)) $((size / 12)) $((size * 3 / 2))); do
    begin
    WM_FAULT_MODE=disk:$n LD_PRELOAD=$dir/inject.so job
    code=$?
    [ $code = 3 ] && same && continue # all of it fitted
    check "disk full after $n bytes: exit 1" [ $code = 1 ]
    check "disk full after $n bytes: it is said, with advice" says 'No space left on device'
    check "disk full after $n bytes: the same command again" mended
done

# Output on a full device.
begin
for command in "tokenizer encode -t ../base/run/tokenizer ../in/text.txt" "corpus head ../in/crawl" "shards text ../base/run/shards" \
    "lm score ../in/en.arpa ../in/text.txt" "report ../base/run" "stages" "run ../in/job.yaml --print-config" \
    "lm train -o - --order 2 --discount-fallback ../in/formats/docs.jsonl" "tokenizer encode --stream -t ../base/run/tokenizer ../in/text.txt"; do
    # shellcheck disable=SC2086
    "$w" $command >/dev/full 2>err.txt </dev/null
    check "/dev/full: $command" [ $? = 1 ]
    check "/dev/full: $command says so" says 'No space left on device'
done

# A directory that may not be written (root may: then it is a read-only mount, if one can be made).
begin
mkdir out
if [ "$(id -u)" != 0 ]; then
    chmod a-w out
    job
    check "read-only directory" [ $? = 1 ]
    check "read-only directory: it is said" says 'Permission denied'
    chmod u+w out
    check "read-only directory: then it may" mended
elif mount -t tmpfs -o ro none out 2>err.txt; then
    job
    check "read-only file system" [ $? = 1 ]
    check "read-only file system: it is said" says 'Read-only file system'
    umount out
    check "read-only file system: then it is not" mended
else
    echo "skipped: a read-only directory (this is root, and nothing can be mounted)"
fi

# Slow input, through a pipe: what comes is what a file gives.
begin
mkfifo pipe
slowly() { while IFS= read -r -N 700 -d '' part || [ -n "$part" ]; do printf %s "$part" && sleep 0.02; done; }
slowly <../in/formats/docs.jsonl >pipe &
timeout 60 "$w" corpus build -o slow -s normalize - <pipe >out.txt 2>err.txt
check "a slow pipe" [ $? = 0 ]
wait
timeout 60 "$w" corpus build -o quick -s normalize - <../in/formats/docs.jsonl >out.txt 2>err.txt
check "a slow pipe: same corpus" cmp -s slow/corpus_0000.jsonl.zst quick/corpus_0000.jsonl.zst

# Mapped models are cut while they are read: an error, not a signal.
begin
cp ../base/en.lm cut.lm
{ head -n 3 ../in/text.txt && truncate -s 4096 cut.lm && sleep 0.3 && for _ in $(seq 200); do cat ../in/text.txt; done; } |
    timeout 60 "$w" lm score cut.lm >out.txt 2>err.txt
check "a model cut while it is read" [ $? = 1 ]
check "a model cut while it is read: it is said" says 'error: cut.lm: '

echo "$passed passed, $failed failed"
[ $failed = 0 ]
