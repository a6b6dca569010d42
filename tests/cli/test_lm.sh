#!/usr/bin/env bash
# lm score and lm convert, with the small model of tests/vectors/ngram.
. "${BASH_SOURCE%/*}/lib.sh"
w=$WETMILL v=$WM_SOURCE_DIR/tests/vectors/ngram

expect 0 'lm convert ' "$w" lm --help
expect 0 'Examples:' "$w" lm score --help
expect 0 'Examples:' "$w" lm convert --help
expect 2 'lm score wants MODEL' "$w" lm score
expect 2 'lm convert wants' "$w" lm convert "$v/tiny.arpa"
expect 1 'No such file' "$w" lm score nowhere
expect 1 'not an n-gram model' "$w" lm score "$v/sentences.txt"
expect 1 'No such file' "$w" lm score "$v/tiny.trie" nowhere
expect 1 'tiny.trie, line 1: no ARPA file' "$w" lm convert "$v/tiny.trie" out.lm
expect 1 'hint: allow 1 MiB or more' "$w" lm convert -m 1K "$v/tiny.arpa" out.lm
holds 'nothing was written' test ! -e out.lm

expect 0 'wetmill, order 4, .* n-grams, 10 words' "$w" lm convert "$v/tiny.arpa" out.lm
gzip -c "$v/tiny.arpa" | "$w" lm convert -q - again.lm || fail 'convert from standard input'
same out.lm again.lm
expect 0 '41 sentences, .* unknown; log10 -' "$w" lm score out.lm "$v/sentences.txt"
mv out.txt scores
"$w" lm score -q --verify out.lm <"$v/sentences.txt" >from-stdin || fail 'score from standard input'
same scores from-stdin
for m in tiny.arpa tiny.probing tiny.rest tiny.trie tiny.atrie; do
    "$w" lm score -q "$v/$m" "$v/sentences.txt" >one || fail "score by $m"
    same scores one
done
head -20 "$v/sentences.txt" >part1
tail -n +21 "$v/sentences.txt" >part2
"$w" lm score -q out.lm part1 part2 >one
same scores one

# per line: log10, tokens, unknown, perplexity; the last line needs no newline, \r\n is a line end
printf 'the dog\r\n\nthe' | "$w" lm score -q "$v/tiny.probing" >lines
holds 'three lines of four fields' awk -F'\t' 'NF != 4 {exit 1} END {exit NR != 3}' lines
holds 'tokens and unknown words' grep -qE '^-[0-9.]+	3	1	[0-9.]+$' lines
holds 'an empty sentence is </s>' grep -qE '^-[0-9.]+	1	0	' lines

printf 'x' | dd of=out.lm bs=1 seek=$(($(stat -c %s out.lm) - 100)) conv=notrunc 2>/dev/null
expect 1 'out.lm: the model is damaged: its n-grams' "$w" lm score --verify out.lm part1
summary
