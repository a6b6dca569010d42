#!/usr/bin/env bash
# Hostile and broken input, through the program: message, exit code, nothing half-written.
. "${BASH_SOURCE%/*}/lib.sh"
w=$WETMILL
long=$(printf 'A sentence that says something. %.0s' {1..20})
n=0

# build CODE PATTERN KEPT INPUT [options]: run it; KEPT documents must stand in the output.
build() {
    local code=$1 pattern=$2 kept=$3 got
    shift 3
    n=$((n + 1))
    expect "$code" "$pattern" "$w" corpus build -o "o$n" -j 2 --compression none "$@"
    got=0
    [ ! -d "o$n" ] || got=$(cat "o$n"/*.jsonl 2>/dev/null | wc -l)
    checks=$((checks + 1))
    [ "$got" = "$kept" ] || fail "$* kept $got documents, want $kept"
    checks=$((checks + 1))
    [ -z "$(find . -name '*.tmp*')" ] || fail "$* left temporary files"
}

record http://a/1 "$long one" >r1
record http://a/2 "$long two" >r2
record http://a/3 "$long three" >r3
for i in 1 2 3; do gzip -nc r$i >r$i.gz; done
cat r1.gz r2.gz r3.gz >good.wet.gz
build 0 '3 +documents kept' 3 good.wet.gz

: >empty.wet
build 1 'hint: empty.wet: the file is empty' 0 empty.wet
printf 'PK\003\004 not an archive \000\001\002\003\377\376' >zip.wet.gz
build 1 'hint: zip.wet.gz: .*no gzip data' 0 zip.wet.gz
expect 3 'zip.wet.gz: byte 0: .*no gzip data' "$w" corpus head zip.wet.gz
head -c "$(($(stat -c %s r1.gz) + 20))" good.wet.gz >truncated.wet.gz
build 3 'truncated.wet.gz: record' 1 truncated.wet.gz
cp good.wet.gz corrupt.wet.gz
printf '\377\377\377\377' | dd of=corrupt.wet.gz bs=1 conv=notrunc status=none \
    seek=$(($(stat -c %s r1.gz) + $(stat -c %s r2.gz) / 2))
build 3 'corrupt.wet.gz: record' 2 corrupt.wet.gz
expect 3 'corrupt.wet.gz: record' "$w" tokenizer train -o damaged --vocabulary 300 corrupt.wet.gz
expect 3 'corrupt.wet.gz: record' "$w" shards build -o damaged2 -t damaged corrupt.wet.gz
expect 3 'corrupt.wet.gz: record' "$w" shards build -o damaged2 -t damaged corrupt.wet.gz
(cat r1.gz && printf 'junk between members' && cat r2.gz r3.gz) >junk.wet.gz
build 3 'junk.wet.gz: record' 3 junk.wet.gz
head -c 200000 /dev/zero | tr '\0' x >big.txt
record http://a/big "$(cat big.txt)" >rbig
cat r1 rbig r2 >toolong.wet
build 3 '2 +documents kept' 2 toolong.wet --max-record 100000
expect 3 'too-long' "$w" corpus build -o long2 --max-record 100000 --max-bad-records 1 toolong.wet
record http://a/short "$long S" 5 >rshort
cat r1 rshort r2 >lies_short.wet
build 3 'documents kept' 3 lies_short.wet
record http://a/over "$long O" 5000 >rover
cat r1 rover r2 >lies_long.wet
build 3 'documents kept' 3 lies_long.wet
printf 'WARC/1.0\r\nX: y\r\n\r\nnothing\r\n\r\n' >rnone
cat r1 rnone r2 >headless.wet
build 3 '2 +documents kept' 2 headless.wet
record http://a/bytes "$long" | sed 's/something/some\xff\xfeing/g' >rbytes
cat r1 rbytes >bytes.wet
build 0 '2 +documents kept' 2 bytes.wet
holds 'invalid UTF-8 becomes U+FFFD' grep -q "$(printf '\357\277\275')" "o$n"/corpus_0000.jsonl
record http://a/nul "$long NUL" | sed 's/NUL/N\x00L/' >nul.wet
build 0 '1 +documents kept' 1 nul.wet -s normalize
holds 'normalize takes NUL away' grep -q 'NL' "o$n"/corpus_0000.jsonl
(printf '{"text":"'; head -c 104857600 /dev/zero | tr '\0' a; printf '"}\n{"text":"after it"}\n') >line.jsonl
build 3 '1 +documents kept' 1 line.jsonl
head -c 300000000 /dev/zero | gzip -9c >bomb.wet.gz
build 1 'hint: bomb.wet.gz: .*decompression bomb' 0 bomb.wet.gz
mkdir some && cp good.wet.gz some/ && ln -s nowhere some/dangling.wet.gz
build 3 'dangling.wet.gz' 3 some
expect 2 'absent.wet.gz' "$w" corpus build -o absent absent.wet.gz good.wet.gz
printf 'WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: http://\033[31mred\r\nContent-Length: %s\r\n\r\n%s\r\n\r\n' \
    "${#long}" "$long" >escape.wet
expect 0 'http://.x1B.31mred' "$w" corpus head escape.wet

# stops: too many damaged files, no document left
expect 1 'max_bad_files' "$w" corpus build -o stop1 --max-bad-files 0 corrupt.wet.gz good.wet.gz
expect 1 'length' "$w" corpus build -o stop2 -s length:min_characters=1000000 good.wet.gz
holds 'a stopped build leaves no result' test ! -e stop1 -a ! -e stop2

# standard input: read once, or kept for the second pass of a survey
for stages in '-s normalize' '-s normalize -s paragraph-dedup'; do
    # shellcheck disable=SC2086
    expect 0 '3 +documents kept' bash -c '"$0" corpus build -o piped '"$stages"' - <good.wet.gz' "$w"
    rm -r piped
done
holds 'nothing is left of standard input' test ! -e piped.stdin

# a shell pipe: in and out, and a reader that leaves early; nothing stays behind
mkdir scratch
export TMPDIR=$PWD/scratch
expect 0 '^\{"text".*"key":\[0,2,0\]' bash -c '"$0" corpus build -o - -s paragraph-dedup:keep=first - <good.wet.gz' "$w"
expect 0 '' bash -c '"$0" corpus build -q -o - good.wet.gz | head -c 1; exit ${PIPESTATUS[0]}' "$w"
expect 3 '"text"' "$w" corpus build -q -o - truncated.wet.gz
holds 'the scratch directory is empty' rmdir scratch
unset TMPDIR

# our own side: directories and disks
expect 1 'unwritable|file/corpus|Not a directory|not a directory' bash -c 'touch file; exec "$0" corpus build -o file/corpus good.wet.gz' "$w"
if [ -w /dev/full ]; then
    expect 1 'No space left|standard output' bash -c '"$0" corpus head good.wet.gz >/dev/full' "$w"
fi
expect 0 '' bash -c '"$0" corpus head -n 3 good.wet.gz | head -n 1; exit ${PIPESTATUS[0]}' "$w"
expect 2 'at least' "$w" corpus build -o mem --memory 1MiB good.wet.gz

# Standard input: never up to date, spooled where it is read twice.
for i in 1 2; do
    expect 0 '1 +documents kept' bash -c '"$0" corpus build -o piped --compression none - <"r$1"' "$w" $i
    holds "what came through the pipe the $i. time" grep -q "a/$i" piped/corpus_0000.jsonl
done
expect 0 '3 +documents kept' bash -c '"$0" corpus build -o twice -s paragraph-dedup - <good.wet.gz' "$w"
printf 'version: 1\noutput: piped2\ninput: {paths: ["-"]}\ncorpus: {stages: [paragraph-dedup]}\n' >piped.yaml
expect 2 'reads the input twice' bash -c '"$0" run piped.yaml <good.wet.gz' "$w"
summary
