#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# corpus head and sample: documents for the eye, out of everything that is read.
. "${BASH_SOURCE%/*}/lib.sh"
w=$WETMILL

for i in $(seq 40); do record "http://a.example/$i" "page $i"; done >all.wet
pages() { sed -nE 's/^page ([0-9]+)$/\1/p' "$@" | tr '\n' ' '; }

# ---- head ----
expect 0 '^url: http://a.example/1$' "$w" corpus head all.wet
holds "five are shown ($(pages out.txt))" test "$(pages out.txt)" = "1 2 3 4 5 "
expect 0 '^at: record 1 at byte [1-9][0-9]*$' "$w" corpus head -n 2 all.wet
holds 'two are shown' test "$(pages out.txt)" = "1 2 "
expect 0 . "$w" corpus head -n 100 all.wet
holds 'all are shown, and no more' test "$(grep -c '^page ' out.txt)" = 40
expect 2 'count is "0", want a whole number' "$w" corpus head -n 0 all.wet
expect 2 'absent.wet' "$w" corpus head absent.wet

# every form shows the same text, and where it stands
gzip -kc all.wet >all.wet.gz && zstd -qc all.wet >all.wet.zst && tar cf all.tar all.wet
"$w" corpus build -q -o built all.wet
for file in all.wet.gz all.wet.zst all.tar built built/corpus_0000.jsonl.zst; do
    expect 0 '^url: http://a.example/3$' "$w" corpus head -n 3 "$file"
    holds "$file: the same pages ($(pages out.txt))" test "$(pages out.txt)" = "1 2 3 "
done
printf 'some plain text\n' >note.txt
expect 0 '^some plain text$' "$w" corpus head note.txt
"$w" corpus head -n 3 - <all.wet >stdin.txt 2>&1 || fail "standard input: $(cat stdin.txt)"
holds 'standard input gives the same pages' test "$(pages stdin.txt)" = "1 2 3 "

# long texts are cut unless --full; fields that are passed through are shown
{
    printf '{"text":"'
    for i in $(seq 12); do printf 'line %d\\n' "$i"; done
    printf '%0500d","colour":"blue"}\n' 7
} >long.jsonl
expect 0 '^with: .*"colour":"blue"' "$w" corpus head long.jsonl
grep -qE '^… 13 lines, 5[0-9]{2} bytes in all$' out.txt || fail "nothing says what is left out: $(cat out.txt)"
holds 'eight lines are shown' test "$(grep -c '^line ' out.txt)" = 8
expect 0 '^0{499}7$' "$w" corpus head --full long.jsonl
holds 'all lines are shown' test "$(grep -c '^line ' out.txt)" = 12
grep -q 'in all' out.txt && fail "something is said to be left out: $(cat out.txt)"
printf '{"text":"%0500d"}\n' 7 >wide.jsonl
expect 0 '^0{400} …$' "$w" corpus head wide.jsonl

# ---- sample ----
expect 0 . "$w" corpus sample -n 8 all.wet
picked=$(pages out.txt)
holds "eight different ones ($picked)" test "$(tr ' ' '\n' <<<"$picked" | grep . | sort -u | wc -l)" = 8
holds "in the order of the input ($picked)" test "$picked" = "$(tr ' ' '\n' <<<"$picked" | grep . | sort -n | tr '\n' ' ')"
expect 0 . "$w" corpus sample -n 8 all.wet.gz
holds "the same of another form ($(pages out.txt))" test "$(pages out.txt)" = "$picked"
expect 0 . "$w" corpus sample -n 8 --seed 2 all.wet
holds "others of another seed ($(pages out.txt))" test "$(pages out.txt)" != "$picked"
expect 0 . "$w" corpus sample -n 4 all.wet
for page in $(pages out.txt); do
    [[ " $picked" = *" $page "* ]] || fail "page $page is one of four, but not of eight ($picked)"
done
expect 0 . "$w" corpus sample -n 100 all.wet
holds 'all if more are asked for' test "$(grep -c '^page ' out.txt)" = 40
expect 2 'count is "1000000"' "$w" corpus sample -n 1000000 all.wet
expect 2 'unknown option' "$w" corpus sample --colour all.wet

# ---- what is damaged ----
{ record http://a.example/1 "page 1"; record http://a.example/2 "page 2" 12x; record http://a.example/3 "page 3"; } >bad.wet
for command in head sample; do
    expect 3 '^bad.wet: byte [0-9]+: ' "$w" corpus $command bad.wet
    holds "$command: the others are shown ($(pages out.txt))" test "$(pages out.txt)" = "1 3 "
done
for i in $(seq 30); do record "http://b.example/$i" "page $i" 12x; record "http://c.example/$i" "page $i"; done >worse.wet
expect 3 '^… and [1-9][0-9]* more$' "$w" corpus head -n 100 worse.wet
holds 'twenty places are named' test "$(grep -c '^worse.wet: byte ' err.txt)" = 20
summary
