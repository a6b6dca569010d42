#!/usr/bin/env bash
# lm cutoffs: the same table from a corpus in any pieces and on any number of threads; what it says of
# corpora without perplexities; stage bucket takes what it makes.
. "${WM_SOURCE_DIR:?}/tests/cli/lib.sh"
w=$WETMILL

for i in {1..1000}; do
    printf '{"text":"page %d","language":"en","perplexity":%d.5}\n' "$i" "$i"
    ((i % 4)) || printf '{"text":"Seite %d","language":"de","perplexity":%d,"n":[1]}\n' "$i" "$((i * 2))"
done >all.jsonl
{
    echo '{"text":"x","language":"en"}'
    echo '{"text":"x","perplexity":3}'
    echo '{"text":"x","language":5,"perplexity":"3"}'
    echo '{"text":"x","language":"en","perplexity":1e999}'
    echo '{"text":"x","language":"en","perplexity":null}'
} >>all.jsonl
mkdir parts
tac all.jsonl | split -l 77 - parts/x
for f in parts/*; do mv "$f" "$f.jsonl"; done
gzip parts/xaa.jsonl

expect 0 '1250 documents in 2 languages; 5 without' "$w" lm cutoffs -o a.csv all.jsonl
expect 0 '1250 documents' "$w" lm cutoffs -o b.csv -j 3 parts
same a.csv b.csv
printf 'percentile,de,en\n30,608.0,301.5\n60,1208.0,601.5\n' >want
same want a.csv
expect 0 '^60,1208.0,601.5$' "$w" lm cutoffs --percentiles 60 all.jsonl
expect 0 '1250 documents' "$w" lm cutoffs -o all.csv --percentiles all all.jsonl
holds '100 rows' test "$(wc -l <all.csv)" = 101

expect 2 '"x" is no whole number' "$w" lm cutoffs --percentiles 30,x all.jsonl
expect 2 'no whole number from 0 to 100' "$w" lm cutoffs --percentiles 101 all.jsonl
tail -5 all.jsonl >none.jsonl
expect 1 'no document says its language and perplexity \(5 say' "$w" lm cutoffs -o no.csv none.jsonl
holds 'no table then' test ! -e no.csv
expect '[12]' 'nowhere' "$w" lm cutoffs nowhere.jsonl
# what was skipped is said
printf '%s\n' '{"text":"a","language":"en","perplexity":5}' | gzip >whole.jsonl.gz
head -c -9 whole.jsonl.gz >cut.jsonl.gz
expect 3 '^cut.jsonl.gz: record [0-9]+ at byte [0-9]+: ' "$w" lm cutoffs whole.jsonl.gz cut.jsonl.gz
summary
