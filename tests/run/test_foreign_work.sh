#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A step that is run alone keeps its work beside its output, where users have their own things.
. "$WM_SOURCE_DIR/tests/cli/lib.sh"

cp "$WM_SOURCE_DIR"/samples/crawl/*-00000.warc.wet.gz a.wet.gz
build=("$WETMILL" corpus build -o out -j1 -s normalize a.wet.gz)

mkdir out.work
echo mine >out.work/notes
expect 2 'out.work: .*notes is not of it' "${build[@]}"
holds "it stays" grep -q mine out.work/notes
holds "nothing was written" test ! -e out
rm out.work/notes

echo mine >out.work/metrics.jsonl.txt
expect 2 'out.work: .*metrics.jsonl.txt is not of it' "${build[@]}"
rm out.work/metrics.jsonl.txt

# What steps leave behind without a name is theirs.
mkdir -p out.work/{commits,parts,out}
touch out.work/{position,identity.tmp.12.0,checkpoint-00000010.ckpt,wetmill-pieces.aB3xY9,wetmill-spool.000000}
expect 0 . "${build[@]}"
holds "it is gone" test ! -e out.work
expect 0 'up to date' "${build[@]}"

# It has no use for the place, and leaves it alone.
mkdir out.work
echo mine >out.work/notes
expect 0 'up to date' "${build[@]}"
holds "it stays" grep -q mine out.work/notes
rm -r out.work

rm -r out
echo mine >out.work
expect 2 'out.work: .*not a directory' "${build[@]}"
holds "it stays" grep -q mine out.work
summary
