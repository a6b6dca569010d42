#!/usr/bin/env bash
# Our tokenizer files in the programs of others: they load them unmodified and give our ids on every
# string of the vectors and on 1,000 mixed ones. formats.sh WETMILL
# Packages are looked for in $WETMILL_NPM (a directory with node_modules), else installed in a
# scratch directory; what is not there is skipped with a message. Vectors and ranks: $WETMILL_VECTORS
# and $WETMILL_DATA, default ../shared/vectors and ../shared/data.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
wetmill=$(realpath "$1")
vectors=${WETMILL_VECTORS:-$here/../../../shared/vectors}/bpe
ranks=${WETMILL_DATA:-$here/../../../shared/data}/tokenizers
if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
    echo "skipped: npm is not here"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm_dir=${WETMILL_NPM:-}
if [ -z "$npm_dir" ]; then
    npm_dir=$work/npm
    mkdir "$npm_dir"
    (
        cd "$npm_dir"
        npm init -y >/dev/null
        for package in tokenizers @huggingface/transformers tiktoken "node-llama-cpp @node-llama-cpp/linux-x64"; do
            # shellcheck disable=SC2086
            npm install --no-audit --no-fund --silent --ignore-scripts $package >/dev/null 2>&1 || echo "skipped: cannot install $package"
        done
    )
fi

failures=0
peer() { # PEER FILE…: 77 is a skip
    local code=0
    (cd "$npm_dir" && timeout 600 node "$here/peer_ids.mjs" "$@") || code=$?
    [ $code = 0 ] || [ $code = 77 ] || failures=$((failures + 1))
}

# every NAME TOKENIZER SPLIT-PATTERN SPECIALS [--but=REGEX]: all four peers, all three formats. The
# REGEX is for llama.cpp, whose o200k reads combining marks otherwise.
every() {
    local dir=$work/$1
    "$wetmill" tokenizer convert -q "$2" "$dir"
    "$wetmill" tokenizer convert -q "$2" "$work/$1.tiktoken"
    "$wetmill" tokenizer convert -q "$2" "$work/$1.gguf"
    "$wetmill" tokenizer encode -t "$2" --unit json --specials "$work/strings.jsonl" >"$work/ours.txt"
    "$wetmill" tokenizer encode -t "$dir" --unit json --specials "$work/strings.jsonl" | cmp - "$work/ours.txt"
    "$wetmill" tokenizer encode -t "$work/$1.gguf" --unit json --specials "$work/strings.jsonl" | cmp - "$work/ours.txt"
    peer tokenizers "$dir/tokenizer.json" "$work/strings.jsonl" "$work/ours.txt"
    peer transformers "$dir/tokenizer.json" "$work/strings.jsonl" "$work/ours.txt"
    peer tiktoken "$work/$1.tiktoken" "$work/strings.jsonl" "$work/ours.txt" "$3" "$4"
    peer node-llama-cpp "$work/$1.gguf" "$work/strings.jsonl" "$work/ours.txt" ${5:+"$5"}
}

# The split pattern and the special tokens in a tokenizer.json.
pattern() {
    node -e '
        const { pre_tokenizer } = JSON.parse(fs.readFileSync(process.argv[1], "utf8"));
        console.log(pre_tokenizer.pretokenizers[0].pattern.Regex);' "$1/tokenizer.json"
}
specials() {
    node -e 'console.log(JSON.stringify(Object.fromEntries(JSON.parse(fs.readFileSync(process.argv[1], "utf8"))
        .added_tokens.map((t) => [t.content, t.id]))));' "$1/tokenizer.json"
}

node "$here/mixed_strings.mjs" 1000 >"$work/mixed.jsonl"
for name in r50k cl100k o200k; do
    if [ ! -f "$ranks/${name}_base.tiktoken" ] || [ ! -f "$vectors/$name.jsonl" ]; then
        echo "skipped: no ranks or vectors of $name"
        continue
    fi
    node -e '
        for (const line of fs.readFileSync(process.argv[1], "utf8").trimEnd().split("\n")) {
            const { text } = JSON.parse(line);
            if (text !== undefined) console.log(JSON.stringify(text));
        }' "$vectors/$name.jsonl" | cat - "$work/mixed.jsonl" >"$work/strings.jsonl"
    "$wetmill" tokenizer convert -q "$ranks/${name}_base.tiktoken" "$work/parts"
    every "published-$name" "$ranks/${name}_base.tiktoken" "$(pattern "$work/parts")" "$(specials "$work/parts")" \
        $([ $name != o200k ] || echo '--but=\p{M}')
done

# A vocabulary of our own, where every merge may show.
cp "$work/mixed.jsonl" "$work/strings.jsonl"
for split in r50k cl100k; do
    "$wetmill" tokenizer train -q -o "$work/own-$split" --vocabulary 3000 --split $split --min-frequency 1 \
        --format text "$work/mixed.jsonl"
    every "trained-$split" "$work/own-$split" "$(pattern "$work/own-$split")" "$(specials "$work/own-$split")"
done
[ $failures = 0 ] || { echo "$failures comparisons failed"; exit 1; }
