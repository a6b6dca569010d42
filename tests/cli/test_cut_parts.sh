#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Directories that other commands made, of which a file is cut: it is named, and nothing is made of it.
. "${BASH_SOURCE%/*}/model.sh"
. "${BASH_SOURCE%/*}/lib.sh"
train_model
w=$WETMILL

half() { truncate -s $(($(stat -c %s "$1") / 2)) "$1"; }
export_model() { "$w" export "$1" --format safetensors -o "$2"; }

# ---- files that export copies ----
expect 0 . export_model model good
for name in tokenizer.json tokenizer_config.json; do
    same model/$name good/$name
    # against the record beside it
    cp -r model cut && half cut/$name
    expect 1 "cut/$name: what stands there, [0-9]+ bytes, is not what step.json says|cut/$name: .*byte" export_model cut out
    holds "nothing is made of a cut $name" test ! -e out
    expect 1 "cut/$name" export_model cut good
    same model/$name good/$name
    rm cut/$name
    expect 1 "cut/$name: the file is missing, and step.json speaks of it" export_model cut out
    cp model/$name cut && half cut/$name
    # without one, by its form
    rm cut/step.json
    expect 1 "cut/$name: .*(byte|line)" export_model cut out
    holds "nothing is made of a cut $name without a record" test ! -e out
    rm -r cut
done
# a change that is no cut is told of, too; whoever means it can say so
cp -r model changed
sed -i '1s/{/{"more": 1,/' changed/tokenizer_config.json
expect 1 'changed/tokenizer_config.json: what stands there, [0-9]+ bytes, is not what step.json says' export_model changed out
holds 'how to go on is said' grep -q 'hint: .*remove step.json' err.txt
rm changed/step.json
expect 0 . export_model changed out
same changed/tokenizer_config.json out/tokenizer_config.json
rm -r out
# a tokenizer of another model
expect 0 . "$w" tokenizer train -o other --vocabulary 290 docs.jsonl
cp other/tokenizer.json changed/
expect 2 'the model was trained with tokenizer [0-9a-f]+, tokenizer.json is ' export_model changed out
holds 'nothing is made with the tokenizer of another model' test ! -e out
# a file of a kind that has no form to go by
printf 'not a tokenizer of ours' >model/merges.txt
expect 0 . export_model model out
same model/merges.txt out/merges.txt
: >model/merges.txt
expect 0 . export_model model out
same model/merges.txt out/merges.txt
rm -r out model/merges.txt

# ---- records of directories that are given ----
shards() { "$w" shards build -t "$1" -o "$2" --validation-share 0.2 docs.jsonl; }
train() { "$w" train "$1" -o "$2" --layers 1 --heads 2 --width 32 --context 24 --batch 4 --steps 2 --warmup 1; }
damage() { # HOW FILE
    case $1 in
    cut) half "$2" ;;
    empty) : >"$2" ;;
    other) sed -i 's/"version": /"version": 1/' "$2" ;;
    esac
}
record='step.json: the record of what stands here is damaged, or of a newer wetmill'
for how in cut empty other; do
    cp -r tok damaged && damage $how damaged/step.json
    expect 1 "damaged/$record" shards damaged out
    holds 'how to go on is said' grep -q 'hint: repeat the command .*remove step.json' err.txt
    holds "nothing is made with a tokenizer whose record is damaged ($how)" test ! -e out
    expect 1 "damaged/$record" shards damaged/ out
    rm -r damaged
    cp -r shards damaged && damage $how damaged/step.json
    expect 1 "damaged/$record" train damaged out
    holds "nothing is made of shards whose record is damaged ($how)" test ! -e out
    expect 1 "damaged/$record" "$w" train damaged -o out --steps 2 --explain
    rm -r damaged
done
chmod a-r tok/step.json
if [ ! -r tok/step.json ]; then # root may read everything
    expect 1 'tok/step.json: cannot open: Permission denied' shards tok out
fi
chmod u+r tok/step.json
mkdir -p unread && cp tok/tokenizer.json unread && mkdir unread/step.json
expect 1 'unread/step.json: .*directory' shards unread out
# none at all is no damage
rm -r unread/step.json
expect 0 . shards unread out
rm -r out
# and what is up to date stays so
shards tok same >/dev/null 2>&1
expect 0 'shards +up to date' shards tok same

# ---- the recipe, which shards carry ----
expect 0 . "$w" corpus build -o corpus -s normalize docs.jsonl
expect 0 . "$w" shards build -t tok -o carried corpus
half corpus/recipe.json
expect 1 'corpus/recipe.json: .*(byte|line)' "$w" shards build -t tok -o out corpus
expect 0 . "$w" corpus build -o corpus -s normalize --verify docs.jsonl
rm corpus/recipe.json
expect 1 'corpus/recipe.json: the file is missing, and step.json speaks of it' "$w" shards build -t tok -o out corpus
expect 0 . "$w" corpus build -o corpus -s normalize --verify docs.jsonl
sed -i 's/"recipe":1/"recipe":1,"x":2/' corpus/recipe.json
expect 1 'corpus/recipe.json: what stands there, [0-9]+ bytes, is not what step.json says' "$w" shards build -t tok -o out corpus
holds 'nothing is made with a damaged recipe' test ! -e out
summary
