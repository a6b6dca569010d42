# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Sourced by crash.sh: make_job DIR WETMILL SOURCE writes a run of every step, with all it reads, from
# the sample crawl. The inputs are of every kind that is read: gzip with a member for some records,
# gzip and plain text in one piece, zstd in frames, JSON lines in all three; and one file so large,
# for it has holes, that it is two tasks.

hole_bytes=$((1 << 20)) n_holes=270 # more than 256 MiB

# whole_records FILE FROM TO: records whose header starts in that range of bytes.
whole_records() {
    zcat "$1" | awk -v from="$2" -v to="$3" '
        /^WARC\/1\.0\r?$/ { on = at >= from && at < to }
        { if (on) print; at += length($0) + 1 }'
}

# in_pieces N COMMAND…: standard input, N records a piece, each piece through the command.
in_pieces() {
    local n=$1 piece
    shift
    rm -rf pieces && mkdir pieces
    awk -v n="$n" '/^WARC\/1\.0\r?$/ { if (r++ % n == 0) file = sprintf("pieces/%05d", r) } { print > file }'
    for piece in pieces/*; do "$@" <"$piece"; done
    rm -r pieces
}

# hole N FILE: append a document that is too short, and a record of nothing that is no document.
hole() {
    printf 'WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: http://a.example/short-%d\r\n' "$1" >>"$2"
    printf 'WARC-Date: 2024-01-01T00:00:00Z\r\nWARC-Record-ID: <urn:uuid:short-%d>\r\n' "$1" >>"$2"
    printf 'Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nshort\r\n\r\n' >>"$2"
    printf 'WARC/1.0\r\nWARC-Type: resource\r\nWARC-Target-URI: http://a.example/%d\r\n' "$1" >>"$2"
    printf 'WARC-Date: 2024-01-01T00:00:00Z\r\nWARC-Record-ID: <urn:uuid:hole-%d>\r\n' "$1" >>"$2"
    printf 'Content-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n' "$hole_bytes" >>"$2"
    truncate -s +"$hole_bytes" "$2"
    printf '\r\n\r\n' >>"$2"
}

# with_holes FILE: standard input is appended; behind each call up to n_holes there are four holes.
with_holes() {
    cat >>"$1"
    local i
    for i in 1 2 3 4; do
        [ "$holes" -ge "$n_holes" ] || hole "$((++holes))" "$1"
    done
}

# as_lines CODEC FROM TO CRAWL ENDING: documents of that range as JSON lines.
as_lines() {
    whole_records "$4" "$2" "$3" | "$wetmill" corpus build -q -o lines --compression "$1" -
    mv lines/corpus_0000.jsonl* "in/$5"
    rm -r lines
}

make_job() {
    local dir=$1 wetmill=$2 source=$3 crawl holes=0
    local LC_ALL=C
    crawl=("$source"/samples/crawl/*.warc.wet.gz)
    mkdir -p "$dir/in" && cd "$dir" || return
    whole_records "${crawl[0]}" 0 1200000 | in_pieces 8 gzip -6n >in/a.warc.wet.gz
    whole_records "${crawl[1]}" 0 1000000 | gzip -6n >in/b-one-member.warc.wet.gz
    whole_records "${crawl[2]}" 0 1000000 | in_pieces 20 zstd -q -3 --check >in/c.warc.wet.zst
    as_lines zstd 1200000 1800000 "${crawl[0]}" d.jsonl.zst
    as_lines gzip 1000000 1600000 "${crawl[1]}" e.jsonl.gz
    as_lines none 1000000 1600000 "${crawl[2]}" f.jsonl
    whole_records "${crawl[0]}" 1800000 2600000 | in_pieces 1 with_holes in/g-large.warc.wet
    [ "$(stat -c %s in/g-large.warc.wet)" -gt $((256 << 20)) ] || { echo "too few holes" >&2 && return 1; }
    cp "$source"/samples/lid.176.ftz "$source"/tests/vectors/strict/{en.arpa,cutoffs.csv} .
    cp "$source"/tests/vectors/sentencepiece/unigram.model en.sp.model
    cat >job.yaml <<YAML
version: 1
output: out
rejects: out/rejects
input: {paths: [in]}
corpus:
  stages:
    - normalize
    - length: {min_characters: 200}
    - line-repeat
    - symbols
    - paragraph-dedup: {keep: first}
    - language: {model: lid.176.ftz, min_score: 0.3}
    - perplexity: {sentencepiece: [en.sp.model], lm: [en.arpa]}
    - bucket: {cutoffs: cutoffs.csv}
    - write-jsonl: {split: [language, bucket], split_memory: 64KiB} # parts grow between points
tokenizer: {vocabulary: 1024, split: cl100k}
shards: {validation_share: 0.05}
train:
  layers: 1
  heads: 2
  width: 32
  context: $train_context
  batch: $train_batch
  micro_batch: 4
  steps: 100
  warmup: 10
  average: 0.2
  best: true
  checkpoint_every: $train_interval
  validate_every: 25
  validation_tokens: 512
  dropout: 0.1
  sample_every: 30
  sample_tokens: 8
sample: {tokens: 64, prompts: ["The system", "Le fichier", "Der Kernel", "El archivo"]}
YAML
}
