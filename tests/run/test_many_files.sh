#!/usr/bin/env bash
# 100,000 tiny input files under `ulimit -n 256`: read in few tasks, nothing left open.
. "${WM_SOURCE_DIR:?}/tests/cli/lib.sh"
w=$WETMILL
mkdir crawl
for a in {a..j}; do # letters: paragraph-dedup takes one number for another
    for b in {a..j}{a..j}{a..j}{a..j}; do
        printf 'page %s of many says something of its own\n' "$a$b" >"crawl/$a$b.txt"
    done
done
ulimit -n 256
expect 0 '100,000  documents kept' "$w" corpus build -o a -j 2 -s normalize -s paragraph-dedup --compression none crawl
expect 0 '100,000  documents kept' "$w" corpus build -o b -j 7 -s normalize -s paragraph-dedup --compression none crawl
same a/corpus_0000.jsonl b/corpus_0000.jsonl
holds 'every page stands once' test "$(wc -l <a/corpus_0000.jsonl)" = 100000
summary
