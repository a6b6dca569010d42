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
"${encode[@]}" --specials --count-only long.txt >want
"${encode[@]}" --specials --count-only --stream - <long.txt >got
same want got
summary
