#!/usr/bin/env bash
# Real Common Crawl files, whole and damaged: documents in, and what was skipped is named.
data=${WETMILL_DATA:-${WM_SOURCE_DIR:?}/../shared/data}
if [ ! -d "$data/wet" ]; then
    echo "skipped: no real crawl files in $data/wet (set WETMILL_DATA)"
    exit 77
fi
data=$(cd "$data" && pwd)
. "${BASH_SOURCE%/*}/lib.sh"
w=$WETMILL

# documents FILE CODE COUNT: one file alone.
documents() {
    local got
    rm -rf one
    expect "$2" 'documents in' "$w" corpus build -o one "$data/wet/$1"
    got=$(sed -nE 's/^ +([0-9,]+)  documents in$/\1/p' err.txt)
    checks=$((checks + 1))
    [ "$got" = "$3" ] || fail "$1: $got documents in, want $3"
}

documents CC-MAIN-2020-50.00404.head318.repaired.warc.wet.gz 0 318
documents CC-MAIN-2020-50.crlf-mangled.single-member.warc.wet.gz '[03]' 318
documents CC-MAIN-2014-10.head59.warc.wet '[03]' 59
documents CC-MAIN-2026-12.head263.truncated.warc.wet 3 262
grep -q 'CC-MAIN-2026-12' err.txt || fail 'the truncated file is not named'
grep -qE '1  records that are no document: truncated' err.txt || fail 'the record cut short is not counted'

cat >all.yaml <<YAML
version: 1
output: all
input: {paths: ["$data/wet"]}
corpus: {stages: [normalize, length, line-repeat, symbols, paragraph-dedup]}
tokenizer: {vocabulary: 1000}
shards: {}
YAML
expect '[03]' 'documents kept' "$w" run all.yaml
grep -q 'Skipped input' err.txt || fail 'nothing is said of what was skipped'
grep -q 'CC-MAIN-2026-12' err.txt || fail 'the truncated file is not named in the run'
expect '[03]' 'up to date' "$w" run all.yaml
summary
