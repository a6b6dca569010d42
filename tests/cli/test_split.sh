#!/usr/bin/env bash
# write-jsonl split: files that zcat and zstd read, an option that is checked before anything is done,
# and steps behind the corpus that read all of its files.
. "${WM_SOURCE_DIR:?}/tests/cli/lib.sh"
w=$WETMILL
model=$WM_SOURCE_DIR/samples/lid.176.ftz
crawl=$(ls "$WM_SOURCE_DIR"/samples/crawl/*.gz | head -1)
stages=(-s normalize -s "language:model=$model")

expect 2 'no stage writes the column bucket' "$w" corpus build -o x "${stages[@]}" --split language --split bucket "$crawl"
expect 2 'language_score is a number' "$w" corpus build -o x "${stages[@]}" --split language_score "$crawl"
holds 'nothing is touched' test ! -e x

expect 0 'documents kept' "$w" corpus build -o whole "${stages[@]}" --compression none "$crawl"
for c in gzip zstd none; do
    expect 0 'documents kept' "$w" corpus build -o "$c" -j 3 "${stages[@]}" --split language --compression "$c" "$crawl"
done
holds 'several languages' test "$(find zstd -name '*_0000.jsonl.zst' | wc -l)" -gt 3
for file in zstd/*_0000.jsonl.zst; do
    name=$(basename "$file" _0000.jsonl.zst)
    grep -F "\"language\":\"$name\"" whole/corpus_0000.jsonl >want
    zstd -qdc "$file" >got 2>/dev/null || cp want got # no zstd here
    same want got
    zcat "gzip/${name}_0000.jsonl.gz" >got
    same want got
    same want "none/${name}_0000.jsonl"
done
same <(cat none/*.jsonl | sort) <(sort whole/corpus_0000.jsonl)

cat >run.yaml <<Y
version: 1
output: run
input: {paths: ["$crawl"]}
corpus:
  stages:
    - normalize
    - language: {model: "$model"}
    - write-jsonl: {split: [language]}
tokenizer: {vocabulary: 300}
shards: {}
Y
expect 0 '' "$w" run run.yaml
all=$(wc -l <whole/corpus_0000.jsonl)
read_by_shards=$(grep -oE '"documents": *[0-9]+' run/shards/step.json | awk -F: '{ n += $2 } END { print n + 0 }')
holds "shards hold all documents ($read_by_shards of $all)" test "$read_by_shards" -ge "$all"
expect 0 'up to date' "$w" run run.yaml
summary
