#!/usr/bin/env bash
# Models of ours in the programs of others, beside ours and an independent reader in double arithmetic
# (reference_model.mjs): GGUF in llama.cpp and in Hugging Face's parser, safetensors, llama2.c's file.
# gguf.sh WETMILL, of a build whose tests/interop_logits is built
# Packages: npm.sh. Vectors: $WETMILL_VECTORS, default ../shared/vectors.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
wetmill=$(realpath "$1")
logits=$(dirname "$wetmill")/tests/interop_logits
vectors=${WETMILL_VECTORS:-$here/../../../shared/vectors}/transformer
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$here/npm.sh"
npm_setup "$work/npm" "node-llama-cpp @node-llama-cpp/linux-x64" @huggingface/gguf

# compare DIR IDS DIFFERENCE [TYPE LIMIT]…: f32 by the next id's log-probability; q8_0 and other types
# by mean KL. IDS: a file, or "random".
compare() {
    local name dir=$1 ids=$2 file files=()
    name=$(basename "$dir")
    echo "$name:"
    set -- f32 "next:$3" q8_0 0.01 "${@:4}"
    while [ $# -gt 0 ]; do
        file=$work/$name-$1.gguf
        "$wetmill" export -q "$dir" --format gguf --type "$1" -o "$file"
        peer parse_gguf.mjs "$dir" "$file"
        case $2 in next:*) files+=("$2=$file") ;; *) files+=("kl:$2=$file") ;; esac
        shift 2
    done
    peer llama_cpp.mjs "$logits" "$dir" "$ids" "${files[@]}"
    rm -f "$work/$name"-*.gguf
}

node "$here/mixed_strings.mjs" 300 >"$work/mixed.jsonl"
printf '%s\n' "all the world is a stage and all the men and women are players" >"$work/few.txt"
"$wetmill" tokenizer train -q -o "$work/tokenizer" --vocabulary 300 --min-frequency 1 --format text "$work/mixed.jsonl"
"$wetmill" tokenizer train -q -o "$work/small" --vocabulary 60 --alphabet seen --min-frequency 1 --format text "$work/few.txt"

# Random ones, of 310 ids, ten without a token: grouped queries and a theta of 500000 in two of them.
# GPT-2's limit is wide for llama.cpp's GELU of half precision (see llama_cpp.mjs): it shows most in
# weights as large as these.
for kind in llama llama-plain qwen3 gpt2; do
    node "$here/make_model.mjs" $kind "$work/$kind" 310
    cp "$work/tokenizer/"* "$work/$kind"
done
compare "$work/llama" random 1e-3 f16 1e-4 bf16 5e-3 q4_0 0.5
compare "$work/llama-plain" random 1e-3
compare "$work/qwen3" random 1e-3
compare "$work/gpt2" random 1e-2 q4_0 0.5
# The same numbers from another layout and, rounded, from half-precision files.
for pair in "gpt2-hub gpt2" "llama-sharded llama"; do
    read -r kind from <<<"$pair"
    node "$here/make_model.mjs" "$kind" "$work/$kind" 310
    cp "$work/tokenizer/"* "$work/$kind"
    "$wetmill" export -q "$work/$kind" --format safetensors -o "$work/other-$kind"
    "$wetmill" export -q "$work/$from" --format safetensors -o "$work/other-$from"
    if [ "$kind" = gpt2-hub ]; then
        cmp "$work/other-$kind/model.safetensors" "$work/other-$from/model.safetensors"
    fi
    node "$here/read_safetensors.mjs" "$work/other-$kind" 1 2 3 4 5 >"$work/got.json"
    node "$here/read_safetensors.mjs" "$work/$from" 1 2 3 4 5 >"$work/want.json"
    node -e '
        const [got, want] = process.argv.slice(1).map((f) => JSON.parse(fs.readFileSync(f, "utf8")).logprobs);
        const worst = Math.max(...got.map((v, i) => Math.abs(v - want[i])));
        if (!(worst < 0.3)) throw new Error(`log-probabilities differ by ${worst}`);' "$work/got.json" "$work/want.json"
done
# PyTorch's.
for set in gpt2_tiny llama_tiny; do
    if [ ! -f "$vectors/$set/model.safetensors" ]; then
        absent "no vectors at $vectors/$set"
        continue
    fi
    mkdir "$work/$set"
    cp "$vectors/$set/config.json" "$vectors/$set/model.safetensors" "$work/small/"* "$work/$set"
    compare "$work/$set" random 1e-3
done
# Trained ones, on text that they have not seen.
"$wetmill" run --quiet "$here/gguf.yaml" --set output="$work/run" --set input.paths="$here/../../samples/crawl"
shards=$work/run/shards
shard=$(basename "$(ls "$shards"/validation*.bin | head -n 1)" .bin)
for k in 0 1 2 3 4 5; do
    node "$here/read_megatron.mjs" "$shards" "$shard" $k
done >"$work/ids"
for architecture in llama qwen3; do
    "$wetmill" train -q "$shards" -o "$work/trained-$architecture" --architecture $architecture --kv-heads 2 --rope-theta 500000 \
        --layers 2 --heads 4 --width 64 --context 256 --batch 4 --steps 200 --warmup 20 --learning-rate 3e-3
    node -e '
        const c = JSON.parse(fs.readFileSync(process.argv[1], "utf8"));
        const got = [c.model_type, c.num_key_value_heads, c.rope_parameters?.rope_theta ?? c.rope_theta].join(" ");
        if (got !== process.argv[2]) throw new Error(`${got} was trained, not ${process.argv[2]}`);' \
        "$work/trained-$architecture/config.json" "$architecture 2 500000"
done
mv "$work/run/model" "$work/trained-gpt2"
for architecture in gpt2 llama qwen3; do
    compare "$work/trained-$architecture" "$work/ids" 1e-3
done

# llama2.c's file says the same as the directory.
"$wetmill" export -q "$work/llama-plain" --format llama2.c -o "$work/llama2c/model.bin"
node "$here/read_llama2c.mjs" "$work/llama-plain" "$work/llama2c" || failures=$((failures + 1))
[ $failures = 0 ] || { echo "$failures comparisons failed"; exit 1; }
