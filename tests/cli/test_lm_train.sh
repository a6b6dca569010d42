#!/usr/bin/env bash
# lm train: what it reads, what it writes, that neither memory nor threads change a byte.
. "${BASH_SOURCE%/*}/lib.sh"
w=$WETMILL
for i in $(seq 1 3000); do
    echo "w$((i % 7)) w$((i * i % 101)) x$((i * 7 % 1009)) w$((i % 5)) y$((i * i % 4001)) w$((i % 3))"
done >corpus.txt

expect 2 'wants a file for the model' "$w" lm train corpus.txt
expect 2 'lm train wants PATH' "$w" lm train -o a.arpa
expect 2 'order is "9"|want|from 1 to 6' "$w" lm train -o a.arpa --order 9 corpus.txt
expect 2 'threshold of order 2' "$w" lm train -o a.arpa --prune 2,1 corpus.txt
expect 1 'No such file' "$w" lm train -o a.arpa --sentencepiece nowhere.model corpus.txt
echo 'a b c' >tiny.txt
expect 1 'discount-fallback' "$w" lm train -o a.arpa tiny.txt
echo 'a <s> b' >special.txt
expect 1 'skip-symbols' "$w" lm train -o a.arpa special.txt
holds 'nothing was written' test ! -e a.arpa
expect 0 '1-grams: 6' "$w" lm train -o a.arpa --discount-fallback tiny.txt

expect 0 '5-grams: ' "$w" lm train -o one.arpa --discount-fallback corpus.txt
expect 0 'runs, .* of scratch data' "$w" lm train -o many.arpa --discount-fallback --memory 6MiB -j 3 --scratch . corpus.txt
same one.arpa many.arpa
"$w" lm train -q -o - --discount-fallback corpus.txt >stdout.arpa 2>/dev/null
same one.arpa stdout.arpa
"$w" lm train -q -o stdin.arpa --discount-fallback - <corpus.txt
same one.arpa stdin.arpa
head -n 1000 corpus.txt >part1.txt
tail -n +1001 corpus.txt | gzip >part2.txt.gz
expect 0 '5-grams: ' "$w" lm train -o parts.arpa --discount-fallback part1.txt part2.txt.gz
same one.arpa parts.arpa
sed 's/.*/{"text":"&"}/' corpus.txt >corpus.jsonl
expect 0 '5-grams: ' "$w" lm train -o jsonl.arpa --discount-fallback corpus.jsonl
same one.arpa jsonl.arpa
expect 0 '\(([0-9,]+) kept\)' "$w" lm train -o pruned.arpa --order 3 --prune 0,1 --discount-fallback corpus.txt
holds 'pruned models are smaller' test "$(wc -c <pruned.arpa)" -lt "$(wc -c <one.arpa)"

expect 0 '5-grams: ' "$w" lm train -o own.wmlm --discount-fallback --scratch . corpus.txt
holds 'the own format is not ARPA' test "$(head -c 6 own.wmlm)" != '\data\'
expect 1 'scratch file|No such file' "$w" lm train -o never.arpa --discount-fallback --memory 6MiB --scratch nowhere corpus.txt

# a signal leaves nothing behind
mkdir scratch
yes "$(head -n 50 corpus.txt)" | "$w" lm train -q -o cut.arpa --memory 6MiB --scratch scratch - 2>/dev/null &
pid=$!
sleep 1
kill -TERM "$pid"
wait "$pid"
code=$?
checks=$((checks + 1))
[ $code = 130 ] || [ $code = 143 ] || fail "an interrupted run gives $code"
holds 'nothing is left after a signal' test -z "$(ls scratch)" -a ! -e cut.arpa -a -z "$(ls cut.arpa.tmp* 2>/dev/null)"

# digits of the Kawi script came with Unicode 15.0
printf '{"text":"one \xf0\x91\xbd\x92 two"}\n' >kawi.jsonl
for unicode in 14.0 15.0; do
    expect 0 '1 sentence, ' "$w" lm train -o "kawi-$unicode.arpa" --order 2 --discount-fallback --unicode $unicode \
        --sentencepiece "$WM_SOURCE_DIR/tests/vectors/sentencepiece/unigram.model" kawi.jsonl
done
holds 'no digit in 14.0' grep -q $'\xf0\x91\xbd\x92' kawi-14.0.arpa
holds 'a digit in 15.0' bash -c "! grep -q \$'\xf0\x91\xbd\x92' kawi-15.0.arpa && grep -q 0 kawi-15.0.arpa"

expect 1 'hint: is this a SentencePiece model' "$w" lm train -o no.arpa --sentencepiece kawi.jsonl kawi.jsonl

vectors=${WETMILL_VECTORS:-$WM_SOURCE_DIR/../shared/vectors}
if [ -e "$vectors/lm/en.sp.model" ]; then
    printf '%s\n' '{"text":"The quick brown Fox\njumps, over 12 dogs."}' '{"text":"The lazy dog."}' >docs.jsonl
    expect 0 '2 sentences' "$w" lm train -o pieces.arpa --order 2 --discount-fallback \
        --sentencepiece "$vectors/lm/en.sp.model" docs.jsonl
    holds 'words are pieces in CCNet form' grep -q '▁the' pieces.arpa
    holds 'digits are 0' grep -q '^[-0-9.]*[[:space:]]▁00' pieces.arpa
    expect 0 '2 sentences' "$w" lm train -o joined.arpa --order 2 --discount-fallback \
        --sentencepiece "$vectors/lm/en.sp.model" --normalize ccnet docs.jsonl
    holds 'CCNet deletes newlines, strict does not' bash -c '! cmp -s pieces.arpa joined.arpa'
fi
summary
