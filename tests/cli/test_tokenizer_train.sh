#!/usr/bin/env bash
# tokenizer train: from every kind of text the same tokenizer, whatever the order of files; weights,
# samples, digits and the other options, from the command line and from YAML.
. "${BASH_SOURCE%/*}/lib.sh"
command -v jq >/dev/null || { echo "skipped: jq is not here"; exit 77; }
train() { # OUT OPTION…
    local out=$1
    shift
    expect 0 . "$WETMILL" tokenizer train -o "$out" --vocabulary 300 --min-frequency 1 "$@"
}
equal() { same "$1/tokenizer.json" "$2/tokenizer.json"; }
differ() { checks=$((checks + 1)); ! cmp -s "$1/tokenizer.json" "$2/tokenizer.json" || fail "$1 and $2 are the same"; }

# 60 documents, as plain text, JSON lines, WET and shards
mkdir text
for i in {1..60}; do
    printf 'number %d of the rats and cats that sat on mat %d\nand line %d' $i $((i * 7 % 13)) $((i * i)) >text/$i.txt
    jq -cR --slurp '{text: .}' <text/$i.txt >>docs.jsonl
    record "http://a/$i" "$(cat text/$i.txt)" >>docs.wet
done
train by_text --format text text
train by_jsonl docs.jsonl
train by_wet docs.wet
expect 0 . "$WETMILL" shards build -t by_text -o shards docs.jsonl
"$WETMILL" shards text shards >back.jsonl || fail "shards text"
train by_shards back.jsonl
"$WETMILL" shards text shards | "$WETMILL" tokenizer train -o by_pipe --vocabulary 300 --min-frequency 1 - 2>/dev/null ||
    fail "training from a pipe"
for other in by_jsonl by_wet by_shards by_pipe; do equal by_text $other; done

# weights: as if the file stood there so many times
head -n 20 docs.jsonl >a.jsonl
tail -n +21 docs.jsonl >b.jsonl
for i in 1 2 3; do cp a.jsonl a$i.jsonl; done
train thrice a1.jsonl a2.jsonl a3.jsonl b.jsonl
train weighted --weights 'a.jsonl=3' a.jsonl b.jsonl
train permuted --weights 'a.json*=3' --weights '*=1' -j 3 b.jsonl a.jsonl
equal thrice weighted
equal thrice permuted
differ thrice by_text
train without --weights 'b.jsonl=0' a.jsonl b.jsonl
train alone a.jsonl
equal alone without
expect 2 'no file goes by "c\*=2"' "$WETMILL" tokenizer train -o x --weights 'c*=2' a.jsonl
expect 2 'weights: "a=lots" is not GLOB=WEIGHT' "$WETMILL" tokenizer train -o x --weights a=lots a.jsonl
expect 1 'no document is left to train on' "$WETMILL" tokenizer train -o x --weights 'a.jsonl=0' a.jsonl
expect 1 'no document is left to train on' "$WETMILL" tokenizer train -o x --sample 0 a.jsonl
holds 'nothing was written' test ! -e x

# a sample goes by the text: by no order of files, and by no format
train sampled --sample 0.5 a.jsonl b.jsonl
train again --sample 0.5 -j 2 b.jsonl a.jsonl
train as_wet --sample 0.5 docs.wet
train other_seed --sample 0.5 --seed 1 docs.jsonl
equal sampled again
equal sampled as_wet
differ sampled by_text
differ sampled other_seed

# digits
train single --digits single --split r50k docs.jsonl
train three --digits three docs.jsonl
expect 0 . "$WETMILL" tokenizer convert three three.gguf
expect 2 'no name for this tokenizer' "$WETMILL" tokenizer convert single single.gguf
equal three by_text
holds 'single digits' jq -e '[.model.vocab | keys[] | select(test("[0-9]") and (. | length) > 1)] | length == 0' single/tokenizer.json
holds 'their pattern' jq -e '.pre_tokenizer.pretokenizers[0].pattern.Regex | contains("|\\p{N}|")' single/tokenizer.json
printf '2024' >year
expect 0 '^[0-9]+ [0-9]+ [0-9]+ [0-9]+$' "$WETMILL" tokenizer encode -t single year
train cl100k_single --digits single docs.jsonl
expect 0 . "$WETMILL" tokenizer convert cl100k_single cl.gguf
expect 0 . "$WETMILL" tokenizer convert cl.gguf cl
equal cl100k_single cl
expect 2 'digits is single, but' "$WETMILL" tokenizer train -o x --digits single --split pattern --pattern '\S+' docs.jsonl

# the template: asked for, or LLaMA 3's where its token is there
llama=(--split llama3 --specials '<|begin_of_text|>' --specials '<|end_of_text|>')
train llama3 "${llama[@]}" a.jsonl
expect 0 '^298( [0-9]+)+$' "$WETMILL" tokenizer encode --template -t llama3 a.jsonl
expect 0 'gguf' "$WETMILL" tokenizer convert llama3 llama3.gguf
expect 0 '^298( [0-9]+)+$' "$WETMILL" tokenizer encode --template -t llama3.gguf a.jsonl
holds 'first of a text' jq -e '.bos_token == "<|begin_of_text|>" and .eos_token == "<|end_of_text|>"' llama3/tokenizer_config.json
train none "${llama[@]}" --bos '' a.jsonl
holds 'no template' jq -e '.post_processor == null' none/tokenizer.json
train both "${llama[@]}" --eos '<|end_of_text|>' a.jsonl
expect 0 '^298( [0-9]+)+ 299$' "$WETMILL" tokenizer encode --template -t both a.jsonl
expect 2 'bos is "<s>", which is none of the special tokens' "$WETMILL" tokenizer train -o x --bos '<s>' a.jsonl
holds 'nothing is touched' test ! -e x

# every option from YAML as from the command line
train by_options --min-frequency 4 --max-token 5 --specials '<a>' --specials '<b>' --bos '<b>' --eos '<a>' --digits single --ties raw-byte \
    --alphabet seen --sample 0.75 --seed 3 --weights 'a.*=2.5' --weights 'b*=0.5' a.jsonl b.jsonl
cat >c.yaml <<'YAML'
version: 1
output: run
input: {paths: [a.jsonl, b.jsonl]}
tokenizer:
  vocabulary: 300
  min_frequency: 4
  max_token: 5
  specials: [<a>, <b>]
  bos: <b>
  eos: <a>
  digits: single
  ties: raw-byte
  alphabet: seen
  sample: 0.75
  seed: 3
  weights: [a.*=2.5, b*=0.5]
YAML
expect 0 . "$WETMILL" run c.yaml
equal by_options run/tokenizer
holds 'longest token' jq -e '[.model.vocab | keys[] | select(startswith("<") | not) | length] | max == 5' run/tokenizer/tokenizer.json
holds 'specials' jq -e '[.added_tokens[].content] == ["<a>", "<b>"]' run/tokenizer/tokenizer.json
holds 'template' jq -e '[.post_processor.single[] | .SpecialToken.id] == ["<b>", null, "<a>"]' run/tokenizer/tokenizer.json
expect 0 'up to date' "$WETMILL" run c.yaml
expect 0 'weights: \["?a\.\*=2\.5' "$WETMILL" run c.yaml --print-config
summary
