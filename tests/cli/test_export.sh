#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# export: what it says and refuses, and that nothing it reads is written over.
. "${BASH_SOURCE%/*}/lib.sh"
. "${BASH_SOURCE%/*}/model.sh"
w=$WETMILL
train_model
cp -r model before

expect 2 'hint: add -o MODEL.gguf' "$w" export model
expect 2 'nowhere: no model here: there is no config.json' "$w" export nowhere -o m.gguf
expect 2 'tok: no model here' "$w" export tok -o m.gguf
expect 2 'format is "tflite", want one of gguf, safetensors, llama2.c' "$w" export model --format tflite -o m
expect 2 'type is "q2", want one of' "$w" export model --type q2 -o m
expect 2 'safetensors holds f32, f16 or bf16, not q8_0' "$w" export model --format safetensors --type q8_0 -o m
expect 2 'llama2.c holds f32, not f16' "$w" export model --format llama2.c --type f16 -o m
expect 2 'llama2.c knows no gpt2' "$w" export model --format llama2.c -o m
holds 'nothing is made by any of these' test ! -e m -a ! -e m.gguf
mkdir there
expect 1 'there: cannot write: Is a directory' "$w" export model -o there
expect 1 'docs.jsonl: cannot make the directory' "$w" export model --format safetensors -o docs.jsonl

# the model itself stays what it is
for name in model.safetensors config.json tokenizer.json ./step.json; do
    expect 2 "model/$name: a file of the model would be written over" "$w" export model -o "model/$name"
done
expect 2 'a file of the model would be written over' bash -c 'cd model && "$0" export . -o model.safetensors' "$w"
expect 2 'model/model.safetensors: a file of the model would be written over' "$w" export model --format llama2.c -o model/model.safetensors
for dir in model ./model/ there/../model; do
    expect 2 'the model would be written over itself' "$w" export model --format safetensors -o "$dir"
done
holds 'the model is as it was' diff -r before model
expect 0 . "$w" export model -o model/model.gguf
expect 0 . "$w" export model -o model/model.gguf # an earlier export is
rm model/model.gguf

# the same parameters in each form, and smaller where it says so
last=999999999
for type in f32 f16 q8_0 q4_0; do
    expect 0 "gguf, $type: 35,840 parameters in 28 tensors" "$w" export model --type $type -o "$type.gguf"
    size=$(stat -c %s "$type.gguf")
    holds "$type is smaller ($size, $last)" test "$size" -lt "$last"
    last=$size
done
expect 0 'safetensors, bf16: 35,840 parameters' "$w" export model --format safetensors --type bf16 -o st
expect 0 'safetensors, f32: 35,840 parameters' "$w" export model --format safetensors -o st # in its place
same st/model.safetensors model/model.safetensors

# rows that are no multiple of a block
expect 0 . "$w" train shards -o narrow --layers 1 --heads 2 --width 24 --context 24 --batch 2 --steps 2 --warmup 1 --validate-every 0
expect 0 'matrices are f16: rows are no multiple of 32' "$w" export narrow --type q8_0 -o narrow.gguf
grep -qE '^[1-9][0-9]* matrices' err.txt || fail "how many is not said: $(cat err.txt)"

# without a tokenizer, or with another's
cp -r model bare && rm bare/tokenizer*.json
expect 1 "bare/tokenizer.json: the file is missing, and step.json speaks of it" "$w" export bare --format safetensors -o bare_st
rm bare/step.json
expect 2 'bare: a GGUF file needs a tokenizer' "$w" export bare -o bare.gguf
expect 0 'the directory has no tokenizer, so none was written' "$w" export bare --format safetensors -o bare_st
holds 'none was' test ! -e bare_st/tokenizer.json
expect 0 . "$w" tokenizer train -o other --vocabulary 280 docs.jsonl
cp -r model strange && cp other/tokenizer.json strange/
expect 2 'strange: the model was trained with tokenizer [0-9a-f]{32}, tokenizer.json is [0-9a-f]{32}' "$w" export strange -o strange.gguf
cp -r model cut && truncate -s -8 cut/model.safetensors
expect 1 'cut/model.safetensors: ' "$w" export cut -o cut.gguf
holds 'nothing is made of them' test ! -e bare.gguf -a ! -e strange.gguf -a ! -e cut.gguf
summary
