#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Named pipes as input: one signal ends a command while nobody writes, a writer who comes late is read
# whole, and what is read more than once is refused. What an interruption leaves is told.
. "${BASH_SOURCE%/*}/lib.sh"
w=$WETMILL
mkdir files pipes
for i in $(seq 300); do record "http://a.example/$i" "page $i says $((i * i % 97)) and $((i % 7))"; done >files/in.warc.wet
gzip -n files/in.warc.wet
for i in $(seq 3000); do echo "w$((i % 7)) w$((i * i % 101)) x$((i % 89)) w$((i % 5))"; done >files/in.txt
mkfifo pipes/in.warc.wet.gz pipes/in.txt pipes/in.yaml pipes/in.paths

# opened PID PIPE: within a minute. Where the system does not say, it had a second.
opened() {
    local fd
    [ -d /proc/self/fd ] || { sleep 1 && return; }
    for _ in $(seq 3000); do
        for fd in /proc/"$1"/fd/*; do [ "$fd" -ef "$2" ] && return; done
        sleep 0.02
    done
    fail "$2 is not opened: $(head -c 300 log.txt)"
}
# interrupted SIGNAL PIPE COMMAND…: nobody writes; what it says is in log.txt
interrupted() {
    local signal=$1 pipe=$2 pid want=130
    shift 2
    "$@" >log.txt 2>&1 </dev/null &
    pid=$!
    opened "$pid" "$pipe"
    kill "-$signal" "$pid"
    for _ in $(seq 3000); do # a minute
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.02
    done
    kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    code=$?
    [ "$signal" = TERM ] && want=143
    holds "exit $code, want $want: $* — $(head -c 300 log.txt)" test "$code" = "$want"
    holds "no word of it: $*" grep -q "interrupted (SIG$signal)" log.txt
    holds "how it ended is told once: $*" test "$(grep -c interrupted log.txt)" = 1
}
goes_on() { holds "that it can go on is told: $(cat log.txt)" grep -q 'same command again to continue' log.txt; }
anew() { holds "that it starts anew is told: $(cat log.txt)" grep -q 'starts anew' log.txt; }
is_over() { holds "nothing is kept: $(cat log.txt)" bash -c '! grep -q "hint:" log.txt'; }

cd pipes || exit 1
interrupted TERM in.warc.wet.gz "$w" corpus build -o stopped in.warc.wet.gz
goes_on
interrupted INT in.warc.wet.gz "$w" corpus build -j 4 -o stopped in.warc.wet.gz
goes_on
holds 'no result yet' test ! -e stopped/step.json
interrupted TERM in.txt "$w" tokenizer train -o stopped-tokenizer in.txt
goes_on
interrupted TERM in.warc.wet.gz "$w" corpus build -o - in.warc.wet.gz
is_over
interrupted TERM in.warc.wet.gz "$w" corpus head in.warc.wet.gz
is_over
interrupted INT in.yaml "$w" run --explain in.yaml
is_over
interrupted TERM in.txt "$w" lm train -o m.arpa --discount-fallback in.txt
anew
interrupted INT in.txt "$w" lm train -o m.arpa --limit-vocabulary in.txt ../files/in.txt
anew
holds 'lm train leaves nothing' bash -c '! compgen -G "m.arpa*"'

# a writer who has begun, and then says no more
"$w" corpus build -o stopped in.warc.wet.gz >log.txt 2>&1 </dev/null &
pid=$!
exec 3>in.warc.wet.gz
head -c 2000 ../files/in.warc.wet.gz >&3
kill -TERM "$pid"
wait "$pid"
code=$?
exec 3>&-
holds "exit $code: $(cat log.txt)" test "$code" = 143
holds 'what has not come is no damage' bash -c '! grep -qE "record|byte" log.txt'

# late PIPE COMMAND…: the writer comes after the pipe is open, and pauses
late() {
    local pipe=$1 pid
    shift
    "$@" >log.txt 2>&1 </dev/null &
    pid=$!
    opened "$pid" "$pipe"
    { head -c 1000 "../files/$pipe" && sleep 0.3 && tail -c +1001 "../files/$pipe"; } >"$pipe"
    wait "$pid"
    code=$?
    holds "exit $code: $* — $(head -c 300 log.txt)" test "$code" = 0
}
cd ../files || exit 1
expect 0 . "$w" corpus build -o corpus --compression none in.warc.wet.gz
expect 0 . "$w" lm train -o m.arpa --discount-fallback in.txt
expect 0 . "$w" lm train -o limited.arpa --discount-fallback --limit-vocabulary in.txt in.txt
expect 0 . "$w" tokenizer train -o tokenizer --vocabulary 300 in.txt
"$w" tokenizer encode -t tokenizer in.txt >ids.txt
cd ../pipes || exit 1
late in.warc.wet.gz "$w" corpus build -o corpus --compression none in.warc.wet.gz
same corpus/corpus_0000.jsonl ../files/corpus/corpus_0000.jsonl
late in.txt "$w" lm train -o m.arpa --discount-fallback in.txt
same m.arpa ../files/m.arpa
late in.txt "$w" lm train -o limited.arpa --discount-fallback --limit-vocabulary in.txt ../files/in.txt
same limited.arpa ../files/limited.arpa
late in.txt "$w" tokenizer encode -t ../files/tokenizer in.txt
same log.txt ../files/ids.txt

# what is read more than once
expect 2 'cannot be a pipe' "$w" corpus head in.paths
expect 2 'reads the input twice' "$w" corpus build -o twice -s paragraph-dedup in.warc.wet.gz
expect 2 'read more than once' "$w" corpus build -o twice -s language:model=in.txt:languages=en ../files/in.txt
expect 2 'cannot be a pipe' "$w" shards build -t in.txt -o twice ../files/in.txt
summary
