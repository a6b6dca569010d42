#!/usr/bin/env bash
# tokenizer encode: chosen specials, offsets, counts, streams.
. "${BASH_SOURCE%/*}/lib.sh"
printf 'the cat sat on the mat, the rat sat on the cat\n%.0s' {1..50} >text.txt
expect 0 . "$WETMILL" tokenizer train -o tok --vocabulary 262 --min-frequency 1 --format text text.txt
printf 'the cat<|endoftext|>' >probe.txt
encode=("$WETMILL" tokenizer encode -t tok)

expect 0 ' 261$' "${encode[@]}" --specials probe.txt
expect 0 ' 261$' "${encode[@]}" --allowed-special '<|endoftext|>' probe.txt
expect 0 ' 261:7-20$' "${encode[@]}" --specials --offsets probe.txt
expect 0 '^[0-9]+:0-' "${encode[@]}" --offsets probe.txt
expect '[12]' 'stands in the text, at byte 7' "${encode[@]}" --refuse-specials probe.txt
expect 0 ' 261$' "${encode[@]}" --refuse-specials --allowed-special '<|endoftext|>' probe.txt
expect '[12]' '"nothing" is no special token' "${encode[@]}" --allowed-special nothing probe.txt
expect 2 'does not go with --offsets' "${encode[@]}" --count-only --offsets probe.txt
printf 'the\na<|endoftext|>\n' >two.txt
expect '[12]' 'line 2: the special token' "${encode[@]}" --unit lines --refuse-specials two.txt
expect '[12]' '--stream goes with neither' "${encode[@]}" --stream --offsets probe.txt

# a stream gives the same ids in the end, over several lines
for i in {1..400}; do cat text.txt probe.txt; done >long.txt
"${encode[@]}" --specials long.txt | tr ' ' '\n' >want
"${encode[@]}" --specials --stream long.txt >lines
tr ' ' '\n' <lines >got
same want got
holds 'a stream is printed in steps' test "$(wc -l <lines)" -gt 10
# ids come out while the input is still open
mkfifo in
"${encode[@]}" --stream - <in >early &
exec 3>in
cat text.txt >&3
for _ in {1..100}; do [ -s early ] && break || sleep 0.1; done
holds 'a stream is printed before its end' test -s early
exec 3>&-
wait
"$WETMILL" tokenizer decode -t tok <in >early &
exec 3>in
head -n 1 lines >&3
for _ in {1..100}; do [ -s early ] && break || sleep 0.1; done
holds 'text is printed before the end of the ids' test -s early
exec 3>&-
wait
# whoever reads no further is no failure
{ yes 1 | head -n 500000 | "$WETMILL" tokenizer decode -t tok; echo $? >code; } | head -c 1 >/dev/null
holds 'decode | head' grep -qx 0 code
"${encode[@]}" --specials --count-only long.txt >want
"${encode[@]}" --specials --count-only --stream - <long.txt >got
same want got

# decoding leaves special tokens out on request
"${encode[@]}" --specials probe.txt >ids
"$WETMILL" tokenizer decode -t tok ids >got
same got probe.txt
printf 'the cat' >want
"$WETMILL" tokenizer decode -t tok --skip-special-tokens ids >got
same got want
"$WETMILL" tokenizer decode -t tok --skip-special-tokens --unit json ids >got
printf '"the cat"\n' >want
same got want

# what a pattern cannot do in its steps is named with the file
head -c 40000 /dev/zero | tr '\0' a >steps.txt
echo b >>steps.txt
pattern=(--split pattern --pattern '(a+)+$|.')
expect 0 . "$WETMILL" tokenizer train -o steps --vocabulary 257 "${pattern[@]}" --format text text.txt
expect 1 'steps.txt: record at byte 0: split pattern fails' "$WETMILL" tokenizer train -o x --vocabulary 257 "${pattern[@]}" --format text steps.txt
expect 1 'steps.txt: split pattern fails' "$WETMILL" tokenizer encode -t steps steps.txt
expect 1 'steps.txt: split pattern fails' "$WETMILL" tokenizer encode -t steps --stream steps.txt
expect 1 'steps.txt: line 1: split pattern fails' "$WETMILL" tokenizer encode -t steps --unit lines steps.txt
expect 1 'steps.txt: split pattern fails' "$WETMILL" tokenizer inspect steps --corpus steps.txt
summary
