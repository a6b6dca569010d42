#!/usr/bin/env bash
# What input, names and records say never reaches a terminal as more than text, and never a file
# outside the output directory.
. "${BASH_SOURCE%/*}/lib.sh"
w=$WETMILL
esc=$'\033[31m'
long=$(printf 'A sentence that says something. %.0s' {1..20})

# quiet CODE COMMAND…: neither stream holds a control character.
quiet() {
    local want=$1 code
    shift
    checks=$((checks + 1))
    "$@" >out.txt 2>err.txt </dev/null
    code=$?
    [[ $code =~ ^$want$ ]] || fail "exit $code, want $want: $* — $(head -c 400 err.txt)"
    ! LC_ALL=C grep -q $'[\001-\010\013-\037\177]' out.txt err.txt || fail "control characters from: $*"
}

# names of files, of tar members, of records, of fields; messages that quote them
record "http://a/$esc/1" "$long one" >good.wet
cp good.wet "name$esc.wet"
printf 'no archive\000\001\002' >"bad$esc.wet"
mkdir t && printf 'PK\003\004\000\001\002' >"t/in$esc.wet.gz" && cp good.wet "t/ok$esc.wet" && tar cf all.tar t
printf 'WARC/1.0\r\nWARC-Type: %s\r\nContent-Length: 1%s2\r\n\r\n' "$esc" "$esc" >header.wet
printf '{"%s":"%s",}\n{"text":"%s","url":"%s"}\n' "$esc" "$esc" 'a' 'u' >lines.jsonl
quiet 3 "$w" corpus build -o o1 --max-bad-files 1 --max-bad-records 1 "name$esc.wet" "bad$esc.wet" all.tar header.wet lines.jsonl
quiet 3 "$w" corpus head "bad$esc.wet"
quiet 2 "$w" corpus build -o o2 "absent$esc.wet"
quiet 2 "$w" corpus build -o o3 -s "sta${esc}ge" good.wet
quiet 2 "$w" corpus build -o o3 "--opt${esc}ion" good.wet
quiet 2 "$w" corpus build -o o3 -s "normalize:op${esc}tion=1" good.wet
quiet 2 "$w" "command$esc"
quiet 1 "$w" corpus build -o "good.wet/$esc" good.wet

# configurations
printf 'version: 1\n"ke%sy": 1\n' '\e[31m' >config.yaml
quiet 2 "$w" run config.yaml
printf 'version: 1\noutput: o\n%s: 1\n' "$esc" >raw.yaml
quiet 2 "$w" run raw.yaml

# results that somebody made up: reports, checks and the command they propose
quiet '[03]' "$w" corpus build -o "dir$esc" good.wet
quiet 0 "$w" report "dir$esc"
quiet 0 "$w" verify "dir$esc"
printf 'version: 1\noutput: run\ninput: {paths: [good.wet]}\ncorpus: {stages: []}\n' >run.yaml
quiet 0 "$w" run run.yaml
printf ' config.yaml %s' "$esc" >run/log/command
printf x >>"$(ls run/corpus/*.jsonl*)"
quiet 1 "$w" verify run
sed -i 's/"stages":/"bad_files": 1, "stages":/; s/"damage": *\[/&{"file":"\\u001b[31m","byte":1,"record":1,"what":"\\u001b[2J"},/' run/corpus/step.json
quiet '[013]' "$w" report run

# tokenizers and shards
quiet '[0-3]' "$w" tokenizer train -o tok --vocabulary 270 good.wet
printf '{"version":"1.0","%s":1,"model":{"type":"%s"}}' '\u001b[31m' '\u001b[31m' >"tok$esc.json"
quiet '[12]' "$w" tokenizer inspect "tok$esc.json"
mkdir shards && printf '{"format":"%s","version":1}' '\u001b[31m' >shards/shards.json
quiet '[12]' "$w" shards inspect shards
quiet '[12]' "$w" shards verify shards

# names that come from records: a split's files stay where they belong
printf '{"text":"%s","url":"u"}\n' "$long" >plain.jsonl
mkdir deep && tar cf up.tar --transform 's,^,../../../,' -P good.wet
quiet 0 "$w" corpus build -o deep/out up.tar
holds 'a tar member named ../../../ leaves nothing above the output' test ! -e deep/good.wet -a ! -e ../good.wet
holds 'its document is there' test -s deep/out/corpus_0000.jsonl.zst
summary
