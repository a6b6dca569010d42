#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a terminal gets: colours, progress, nothing that moves the cursor; and what programs get instead.
. "${BASH_SOURCE%/*}/lib.sh"
w=$WETMILL
esc=$'\033'

# ---- programs: a JSON object a line ----
expect 2 '^\{"level":"error","message":".*absent.wet.*|"where":"absent.wet"' "$w" corpus head --log-format json absent.wet
holds 'one line' test "$(wc -l <err.txt)" = 1
expect 2 '"hint":"add -o DIR' "$w" corpus build --log-format json absent.wet
printf '{"text":"some text to keep","url":"a\\"b"}\n' >one.jsonl
expect 0 '^\{"level":"info","message":"corpus +done"\}$' "$w" corpus build --log-format json -o o1 one.jsonl
grep -vqE '^\{"level":"(info|error)","message":".*"(,"(where|hint)":".*")*\}$' err.txt && fail "no JSON: $(cat err.txt)"
printf 'version: 1\noutput: o\n"a\\eb": 1\n' >bad.yaml
expect 2 '\\\\x1B|\\\\u001[bB]|\\u001[bB]' "$w" run --log-format json bad.yaml
LC_ALL=C grep -q "$esc" err.txt && fail "an escape sequence in JSON"
"$w" corpus build -q -o o2 one.jsonl >out.txt 2>err.txt || fail "--quiet: $(cat err.txt)"
holds '--quiet says nothing' test ! -s err.txt -a ! -s out.txt

# ---- progress: asked for, by a signal, at an interruption ----
mkfifo pipe
# appears PATTERN FILE: within ten seconds
appears() {
    local i
    for i in $(seq 500); do
        grep -qE -- "$1" "$2" && return
        sleep 0.02
    done
}
# piped NAME SIGNAL ANSWER [OPTION…]: a build that reads a pipe is sent SIGNAL while it waits for more.
piped() {
    local name=$1 signal=$2 answer=$3
    shift 3
    "$w" corpus build -j 1 -o "$name" "$@" pipe >"$name.txt" 2>&1 &
    pid=$!
    exec 3>pipe
    record http://a.example/1 "page one" >&3
    appears 'corpus *runs' "$name.txt"
    kill -s "$signal" "$pid"
    [ -z "$answer" ] || appears "$answer" "$name.txt"
    (record http://a.example/2 "page two" >&3) # who was stopped reads no more: SIGPIPE, but not for us
    exec 3>&-
    wait "$pid"
    code=$?
}
piped usr1 USR1 '^corpus +[0-9]'
holds "SIGUSR1 stops nothing ($code: $(head -c 300 usr1.txt))" test "$code" = 0
grep -qE '^corpus +[0-9.]+ [kM]?B' usr1.txt || fail "SIGUSR1 prints no progress: $(cat usr1.txt)"
grep -q "$esc" usr1.txt && fail "progress moves the cursor of a file"
piped always USR1 "\[K" --progress always
grep -q $'\r'"$esc\[Kcorpus" always.txt || fail "--progress always shows nothing: $(cat -v always.txt)"
for signal in INT TERM; do
    piped "stop$signal" "$signal" '' --log-format json
    [ "$signal" = INT ] && want=130 || want=143
    holds "SIG$signal ends with $want ($code)" test "$code" = "$want"
    grep -q '"level":"interrupted"' "stop$signal.txt" || fail "no word of the interruption: $(cat "stop$signal.txt")"
done

# ---- standard output that ends early, or cannot be written ----
printf '{"text":"%s"}\n' "red $(printf '\\u001b')[31m alert" >hostile.jsonl
yes "$(cat one.jsonl)" | head -n 2000 >many.jsonl
expect 0 '^url: a' bash -c '"$0" corpus head -n 2000 many.jsonl | head -n 1; exit ${PIPESTATUS[0]}' "$w"
[ -e /dev/full ] && expect 1 'standard output' bash -c '"$0" corpus head one.jsonl >/dev/full' "$w"

# ---- a terminal ----
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
    # tty COMMAND: what a terminal gets of it, without carriage returns
    tty() { script -qec "$1" /dev/null </dev/null | tr -d '\r' >tty.txt; }
    export w
    tty '"$w" corpus head absent.wet'
    grep -qF "wetmill: $esc[31merror$esc[0m: absent.wet" tty.txt || fail "no colour: $(cat -v tty.txt)"
    NO_COLOR=1 tty '"$w" corpus head absent.wet'
    grep -q "^wetmill: error: absent.wet" tty.txt || fail "NO_COLOR: $(cat -v tty.txt)"
    expect 0 . "$w" tokenizer train -o tok --vocabulary 258 hostile.jsonl
    expect 0 . "$w" shards build -t tok -o shards --validation-share 0 hostile.jsonl
    expect 0 "$esc\[31m alert" "$w" shards trace shards/train_00000 0 # bytes for who asks for bytes
    tty '"$w" shards trace shards/train_00000 0'
    grep -qE '^red .x1B\[31m alert$' tty.txt || fail "a document moves the cursor: $(cat -v tty.txt)"
    tty '"$w" corpus head hostile.jsonl'
    grep -q "$esc" tty.txt && fail "corpus head moves the cursor: $(cat -v tty.txt)"
    grep -q 'alert' tty.txt || fail "corpus head: $(cat -v tty.txt)"
fi
summary
