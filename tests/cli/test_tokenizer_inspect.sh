#!/usr/bin/env bash
# tokenizer inspect: sizes and counts that can be done by hand, beside another tokenizer, as JSON.
. "${BASH_SOURCE%/*}/lib.sh"
printf 'the cat sat on the mat\n%.0s' {1..20} >text.txt
expect 0 . "$WETMILL" tokenizer train -o tok --vocabulary 262 --split cl100k --min-frequency 2 --format text text.txt
expect 0 . "$WETMILL" tokenizer train -o bytes --vocabulary 257 --split cl100k --format text text.txt
printf '%s\n' '{"text":"the mat","language":"en"}' '{"text":"le chat est là","language":"fr"}' \
    '{"text":"the","lang":"en"}' '{"text":"x"}' >corpus.jsonl

expect 0 '^ids +262$' "$WETMILL" tokenizer inspect tok
expect 0 '^special tokens +1$' "$WETMILL" tokenizer inspect tok
expect 0 '^split +cl100k$' "$WETMILL" tokenizer inspect tok
expect 0 '^Unicode of the split +14\.0$' "$WETMILL" tokenizer inspect tok
expect 0 '^ids +262 +257$' "$WETMILL" tokenizer inspect tok --against bytes
# fr: 15 bytes, 4 words; with bytes alone 15 tokens
expect 0 '^fr +1 +15 +4 +1\.000 +3\.750$' "$WETMILL" tokenizer inspect bytes --corpus corpus.jsonl
expect 0 '^en +2 +10 +3 .* 1\.000 +3\.333$' "$WETMILL" tokenizer inspect tok --corpus corpus.jsonl --against bytes
expect 0 '^unknown +1 +1 +1 ' "$WETMILL" tokenizer inspect tok --corpus corpus.jsonl
expect 0 '^all +4 +26 +8 ' "$WETMILL" tokenizer inspect tok --corpus corpus.jsonl
# twelve of the 256 bytes come: t h e m a l c s x, the space and the two of à
expect 0 '^never used +244$' "$WETMILL" tokenizer inspect bytes --corpus corpus.jsonl

expect 0 '"ids":262,' "$WETMILL" tokenizer inspect tok --json --corpus corpus.jsonl --against bytes
cp out.txt report.json
for words in '"languages":[[]{"language":"en","documents":2,"bytes":10,"words":3,"tokens":\[[0-9]+,10\]}' \
    '"longest":\[{"id":[0-9]+,"bytes":4,"text":" the"|"longest":\[{"id":[0-9]+,"bytes":' '"never_used":\['; do
    checks=$((checks + 1))
    grep -qE -- "$words" report.json || fail "no /$words/ in the JSON"
done
if command -v jq >/dev/null; then
    holds "it is JSON" jq -e . report.json
fi
for j in 1 2 5; do
    "$WETMILL" tokenizer inspect -j $j tok --json --corpus corpus.jsonl --against bytes >out.$j
    same out.$j report.json
done
checks=$((checks + 1))
grep -q '"split_unicode_version":"14.0"' report.json || fail "no version of Unicode in the JSON"
holds "it stands with the tokenizer" grep -q '"split_unicode_version":"14.0"' tok/tokenizer_config.json
expect 1 'cannot' "$WETMILL" tokenizer inspect absent
expect 1 'cannot' "$WETMILL" tokenizer inspect tok --against absent
expect 2 . "$WETMILL" tokenizer inspect
expect '[12]' . "$WETMILL" tokenizer inspect tok --corpus absent.jsonl
summary
