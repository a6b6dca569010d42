#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What is in shards, what is wrong with them, where a token comes from, and their text again.
. "${BASH_SOURCE%/*}/lib.sh"
. "${BASH_SOURCE%/*}/model.sh"
w=$WETMILL

count_documents 60 >docs.jsonl
expect 0 . "$w" tokenizer train -o tok --vocabulary 300 docs.jsonl
expect 2 'hint: add -t DIR' "$w" shards build -o shards docs.jsonl
expect 1 'nowhere' "$w" shards build -t nowhere -o shards docs.jsonl
expect 2 'nowhere.jsonl: cannot open: No such file' "$w" shards build -t tok -o shards nowhere.jsonl
expect 2 'validation_share is "2", want a number from 0 to 0.5' "$w" shards build -t tok -o shards --validation-share 2 docs.jsonl
expect 2 'docs.jsonl: this is a file, where a directory is wanted' "$w" shards build -t tok -o docs.jsonl docs.jsonl
expect 2 'tok: the directory holds files that are no result of step shards' "$w" shards build -t tok -o tok docs.jsonl
expect 0 'shards .*would run' "$w" shards build -t tok -o shards --dry-run docs.jsonl
holds 'nothing is made by any of these' test ! -e shards
expect 0 . "$w" shards build -t tok -o shards --validation-share 0.2 docs.jsonl

# ---- inspect ----
expect 0 'documents  *60$' bash -c '"$0" shards inspect shards | awk "/documents +[0-9]+\$/ && NF == 2 { n += \$2 } END { print \"documents \" n }"' "$w"
expect 0 '^vocabulary [0-9]+, end-of-document token [0-9]+, 2 bytes a token$' "$w" shards inspect shards
end=$(sed -nE 's/.*end-of-document token ([0-9]+),.*/\1/p' out.txt)
tokens=$("$w" shards inspect shards | awk '$1 == "tokens" { gsub(",", ""); print $2; exit }')
bytes=$(($(stat -c %s shards/train_00000.bin) / 2))
holds "the tokens of train are those of its file ($tokens, $bytes)" test "$tokens" = "$bytes"
for name in train_00000 train_00000.bin train_00000.idx train_00000.prov.zst; do
    "$w" shards inspect "shards/$name" >"$name.txt" || fail "inspect $name"
    same train_00000.txt "$name.txt"
done
grep -qE "^  largest id +$end$" train_00000.txt || fail "the end of documents is no id: $(cat train_00000.txt)"
awk '/most frequent ids:/ { gsub("[()]", ""); for (i = 5; i <= NF; i += 2) { bad += n++ && $i + 0 > last; last = $i + 0 } } END { exit bad || n != 10 }' train_00000.txt ||
    fail "the most frequent ids do not fall: $(tail -n1 train_00000.txt)"
expect 1 'shards/train.bin: cannot open' "$w" shards inspect shards/train
expect 1 'shards.json: cannot open' "$w" shards inspect tok

# ---- verify ----
expect 0 'shards: no problem found' "$w" shards verify shards
cp -r shards cut && truncate -s -1 cut/train_00000.bin
expect 1 "cut/train_00000.bin: has $((2 * bytes - 1)) bytes, shards.json says $((2 * bytes))" "$w" shards verify cut
grep -q 'hint: make the shards again' err.txt || fail "no hint: $(cat err.txt)"
expect 1 'cut/train_00000.idx: the .bin has .* bytes, its index says' "$w" shards inspect cut/train_00000
cp -r shards gone && rm gone/train_00000.idx
expect 1 'gone/train_00000.idx: cannot open' "$w" shards verify gone
cp -r shards flipped && printf '\377\377' | dd of=flipped/validation_00000.bin bs=1 seek=10 conv=notrunc status=none
expect 1 'flipped/validation_00000.bin: ' "$w" shards verify flipped
grep -q 'train_00000' err.txt && fail "what is whole is said to be damaged: $(cat err.txt)"

# names that shards.json makes up lead nowhere, and do nothing to a terminal
cp -r shards made_up
sed 's/train_00000/..\/shards\/train_00000/' shards/shards.json >made_up/shards.json
for command in inspect text verify; do
    expect 1 'made_up/shards.json: shard 0 is not called train_00000' "$w" shards $command made_up
done
sed 's/train_00000/\\u001b[31m/' shards/shards.json >made_up/shards.json
expect 1 'shard 0 is not called' "$w" shards inspect made_up
LC_ALL=C grep -q $'\033' out.txt err.txt && fail "an escape sequence reaches the terminal"

# ---- trace ----
expect 0 'rederived the record gives the same text' "$w" shards trace shards/train_00000 0 $((tokens - 1))
holds 'each token is told of' test "$(grep -c '^token ' out.txt)" = 2
place=$(sed -nE 's/^record +([0-9]+) of input 0$/\1/p' out.txt | tail -n1)
want=$(sed -n "$((place + 1))p" docs.jsonl | sed 's/.*"text":"//; s/"}//')
grep -qFx -- "$want" out.txt || fail "the text of record $place is not there: $(cat out.txt)"
expect 0 'same text' "$w" shards trace --no-text shards/train_00000.bin 0
grep -q ' zero one\| one two' out.txt && fail "--no-text prints the text"
expect 2 "token $tokens is beyond the shard's $tokens tokens" "$w" shards trace shards/train_00000 "$tokens"
expect 2 'token is "1x", want a whole number' "$w" shards trace shards/train_00000 1x
expect 2 'no shard: there is no file of this name' "$w" shards trace shards 1
expect 1 'gone/train_00000.idx: cannot open' "$w" shards trace gone/train_00000 1
grep -q 'root' err.txt && fail "--root helps nobody whose index is missing: $(cat err.txt)"
mkdir elsewhere
expect 1 'hint: relative names of archives start at --root DIR' bash -c 'cd elsewhere && "$0" shards trace ../shards/train_00000 0' "$w"
expect 0 'same text' bash -c 'cd elsewhere && "$0" shards trace --root .. ../shards/train_00000 0' "$w"
cp docs.jsonl kept.jsonl && sed -i 's/zero/zebu/g' docs.jsonl
expect 1 'the record gives ANOTHER text' "$w" shards trace --no-text shards/train_00000 0
grep -q 'hint: has the archive changed' err.txt || fail "no hint: $(cat err.txt)"
mv kept.jsonl docs.jsonl

# ---- text ----
"$w" shards text shards >both.jsonl
for part in train validation; do "$w" shards text --part $part shards >$part.jsonl; done
cat train.jsonl validation.jsonl >parts.jsonl
same both.jsonl parts.jsonl
holds 'train and validation have some each' test -s train.jsonl -a -s validation.jsonl
sort docs.jsonl >a.txt && sort both.jsonl >b.txt
same a.txt b.txt
expect 2 'nowhere: no shards here' "$w" shards text nowhere
expect 0 . "$w" tokenizer train -o other --vocabulary 280 docs.jsonl
cp -r shards strange && cp other/tokenizer.json strange/
expect 2 'strange: the tokenizer here is not what the shards were made with' "$w" shards text strange
[ -e /dev/full ] && expect 1 'No space left|standard output' bash -c '"$0" shards text shards >/dev/full' "$w"
summary
