#!/usr/bin/env bash
# SIGTERM while a reader looks through a gigabyte of junk: it stops soon, goes on from there, and in the
# end gives and tells what an undisturbed run does.
. "${BASH_SOURCE%/*}/../cli/lib.sh"
w=$WETMILL
if ! zstd --version >/dev/null 2>&1; then
    echo "skipped: there is no zstd"
    exit 77
fi
record http://a/1 "one page" | zstd -q >a.warc.wet.zst
truncate -s 1G a.warc.wet.zst # a hole: nothing is stored
record http://a/2 "another page" | zstd -q >>a.warc.wet.zst

build=("$w" corpus build --compression none a.warc.wet.zst)
expect 3 'bytes are no zstd data' "${build[@]}" -o whole
# once stopped, it is left alone the third time; where it was faster than the signal, that comes sooner
stops=0 delay=0.3 code=143
for left in 9 8 7 6 5 4 3 2 1 0; do
    "${build[@]}" -o stopped >out.txt 2>err.txt </dev/null &
    pid=$!
    if [ $left != 0 ] && [ $stops -lt 3 ]; then
        sleep $delay
        kill -TERM $pid 2>/dev/null
    fi
    before=$(date +%s)
    wait $pid
    code=$?
    took=$(($(date +%s) - before))
    if [ "$code" = 143 ]; then
        stops=$((stops + 1))
        holds "it took $took s to stop" test "$took" -le 20
    elif [ $stops = 0 ] && [ $left != 0 ]; then
        rm -rf stopped stopped.work
        delay=$(awk "BEGIN { print $delay / 2 }")
    else
        break
    fi
done
holds "the last run ends as the undisturbed one does: exit $code after $stops stops: $(head -c 300 err.txt)" test "$code" = 3
holds "it was stopped" test "$stops" -ge 1
holds "the same is told" grep -q 'bytes are no zstd data' err.txt
same whole/corpus_0000.jsonl stopped/corpus_0000.jsonl
for run in whole stopped; do
    grep -o '"bytes_damaged": *[0-9]*' $run/step.json >$run.lost
done
holds "the lost bytes are told" grep -q '[1-9][0-9]\{8\}' whole.lost
same whole.lost stopped.lost
echo "$stops stops"
summary
