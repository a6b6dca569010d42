#!/usr/bin/env bash
# --memory is kept to by every step, with a hard limit (RLIMIT_DATA) a quarter above it that counts
# every writable byte asked for, touched or not; results are those of a run without a limit.
. "${BASH_SOURCE%/*}/../cli/lib.sh"
. "${BASH_SOURCE%/*}/limited.sh"
w=$WETMILL

# 24 MB of pages; a third of the lines stand on many pages
awk 'BEGIN {
    srand(7);
    for (page = 0; page < 6000; page++) {
        printf "{\"url\":\"http://a/%d\",\"text\":\"", page;
        for (line = 0; line < 40; line++) {
            if (rand() < 0.33) { printf "menu line number %d of the site\\n", int(rand() * 500); continue }
            for (word = 0; word < 18; word++)
                printf "%s%c%c%d", word ? " " : "", 97 + int(rand() * 26), 97 + int(rand() * 26), int(rand() * 900);
            printf ".\\n";
        }
        print "\"}";
    }
}' >pages.jsonl

for keep in first none; do
    unlimited "$w" corpus build -o "free-$keep" -j 2 -s normalize -s "paragraph-dedup:keep=$keep" pages.jsonl --compression none --max-record 1MiB
    limited 160 "$w" corpus build -o "tight-$keep" -j 2 -s normalize -s "paragraph-dedup:keep=$keep" pages.jsonl --compression none --max-record 1MiB
    same "free-$keep/corpus_0000.jsonl" "tight-$keep/corpus_0000.jsonl"
done
unlimited "$w" tokenizer train -o free-tok -j 2 --vocabulary 2000 --max-record 1MiB free-first
limited 160 "$w" tokenizer train -o tight-tok -j 2 --vocabulary 2000 --max-record 1MiB tight-first
same free-tok/tokenizer.json tight-tok/tokenizer.json
unlimited "$w" shards build -o free-shards -j 2 -t free-tok --max-record 1MiB free-first
limited 160 "$w" shards build -o tight-shards -j 2 -t tight-tok --max-record 1MiB tight-first
same free-shards/train_00000.bin tight-shards/train_00000.bin
sed -n 's/.*"text":"\([^"]*\)".*/\1/p' pages.jsonl | sed 's/\\n/\n/g' | head -n 60000 >lines.txt
unlimited "$w" lm train --discount-fallback -o free.arpa lines.txt
limited 96 "$w" lm train --discount-fallback -o tight.arpa lines.txt
same free.arpa tight.arpa
model='--width 64 --layers 2 --heads 2 --context 64 --steps 6 --batch 8 --micro-batch 2'
# shellcheck disable=SC2086
unlimited "$w" train free-shards -o free-model -j 2 $model
# shellcheck disable=SC2086
limited 96 "$w" train tight-shards -o tight-model -j 2 $model
same free-model/model.safetensors tight-model/model.safetensors
summary
