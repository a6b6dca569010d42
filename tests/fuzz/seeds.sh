#!/usr/bin/env bash
# seeds.sh DEST: seeds for the fuzz targets from $WETMILL_DATA (default ../shared/data), which are not
# ours to keep: DEST/TARGET/*, cut to 64 KiB where a format bears it. Without the data, nothing.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
data=${WETMILL_DATA:-$top/../shared/data}
dest=$1
size=65536
mkdir -p "$dest/ccnet_source"
# What takes limits of many kilobytes to reach is made here rather than kept.
head='WARC/1.0\nWARC-Type: conversion\nWARC-Target-URI: http://a/\nWARC-Date: 2020-01-01T00:00:00Z\n'
head+='WARC-Record-ID: <1>\nWARC-Refers-To: <2>\nWARC-Block-Digest: sha1:A\nContent-Type: text/plain\n'
long() { awk -v n="$1" -v line="$2" 'BEGIN { while (n-- > 0) printf "%s", line; print "" }'; }
{ printf "${head}Content-Length: 9\n\nT\n" && long 20000 'words and words\n' && printf "${head}Content-Length: 3\n\nabc\n"; } \
    >"$dest/ccnet_source/long_body"
{ printf 'WARC/1.0\n' && long 20000 'Name: value\n' && printf "${head}Content-Length: 3\n\nabc\n"; } \
    >"$dest/ccnet_source/long_header"
{ printf 'WARC/1.0\n' && long 40000 'longer line' && printf "${head}Content-Length: 3\n\nabc\n"; } \
    >"$dest/ccnet_source/long_line"
[ -d "$data" ] || exit 0

# cut TARGET FILE…: the first bytes of each; into the target's folder.
cut_from() {
    local target=$1 file
    shift
    mkdir -p "$dest/$target"
    for file in "$@"; do
        [ ! -f "$file" ] || head -c "$size" "$file" >"$dest/$target/${file##*/}"
    done
}
# marked TARGET BYTE FILE…: the same behind the byte that holds the target's options.
marked() {
    local target=$1 byte=$2 file
    shift 2
    mkdir -p "$dest/$target"
    for file in "$@"; do
        [ ! -f "$file" ] || { printf "$byte" && head -c "$size" "$file"; } >"$dest/$target/${file##*/}"
    done
}

cut_from gzip "$data"/warc/*.gz "$data"/warc/*.bad "$data"/wet/*.gz
cut_from zstd "$data"/text/*.zst
cut_from warc "$data"/warc/*.warc "$data"/warc/*.test "$data"/wet/*.wet
cut_from ccnet_source "$data"/warc/*.warc "$data"/wet/*.wet
cut_from tiktoken "$data"/tokenizers/*.tiktoken
cut_from fasttext "$data"/models/lid.176.ftz
marked stream '\0' "$data"/warc/* "$data"/wet/*
size=8192
cut_from scan "$data"/text/*.txt
marked normalize '\0\0' "$data"/text/*.txt "$data"/lid/*.tsv
marked ccnet '\7\0' "$data"/text/*.txt "$data"/lid/*.tsv
if command -v zstd >/dev/null; then
    mkdir -p "$dest/jsonl"
    for file in "$data"/text/*.jsonl.zst; do
        [ ! -f "$file" ] || { zstd -dcq "$file" 2>/dev/null || true; } | head -c 16384 >"$dest/jsonl/$(basename "$file" .zst)"
    done
fi
