#!/usr/bin/env bash
# tokenizer convert: through every format and back, ids stay; what cannot be said is refused.
. "${BASH_SOURCE%/*}/lib.sh"
printf 'the cat sat on the mat, the rat sat on the cat\n%.0s' {1..50} >text.txt
for split in r50k cl100k; do
    expect 0 . "$WETMILL" tokenizer train -o $split --vocabulary 270 --split $split --min-frequency 1 --format text text.txt
done
printf 'the cat saw 1234 mats<|endoftext|>\n' >probe.txt

ids() { "$WETMILL" tokenizer encode --specials -t "$1" probe.txt >"$2"; }
round() { # FROM OUT…: convert along the chain, ids as at the start
    local from=$1 start=$1
    shift
    for to in "$@"; do
        expect 0 'ids' "$WETMILL" tokenizer convert "$from" "$to"
        from=$to
    done
    ids "$start" want
    ids "$from" got
    same want got
}
round r50k a/vocab.json b.gguf c
round cl100k d.gguf e
same cl100k/tokenizer.json e/tokenizer.json
same r50k/tokenizer.json c/tokenizer.json
expect 0 'gpt2: 270 ids' "$WETMILL" tokenizer convert --format gpt2 r50k f
holds "merges.txt is there" test -s f/merges.txt

expect 0 'not in the file: split cl100k, special token <\|endoftext\|> = 269' "$WETMILL" tokenizer convert cl100k my.tiktoken
expect 2 'does not say how' "$WETMILL" tokenizer convert my.tiktoken g
expect 2 'no split is called "x"' "$WETMILL" tokenizer convert --split x my.tiktoken g
expect 0 'json: 270 ids' "$WETMILL" tokenizer convert --split cl100k --special '<|endoftext|>' my.tiktoken g
ids cl100k want
ids g got
same want got
same cl100k/tokenizer.json g/tokenizer.json
# One with a published name has its special tokens; --special adds to them.
cp my.tiktoken p50k_edit.tiktoken
expect 2 '.' "$WETMILL" tokenizer convert --special '<|end|>' cl100k i
expect 0 'json: 50285 ids' "$WETMILL" tokenizer convert --special '<|endoftext|>' --special '<|end|>' p50k_edit.tiktoken published
holds 'what was published' grep -q '"id":50281,"content":"<|fim_prefix|>"' published/tokenizer.json
holds 'what was added' grep -q '"id":50284,"content":"<|end|>"' published/tokenizer.json

# Names of files.
expect 0 'json: 270 ids' "$WETMILL" tokenizer convert cl100k alone.json
same cl100k/tokenizer.json alone.json
ids alone.json got
same want got
expect 0 'gpt2: 270 ids' "$WETMILL" tokenizer convert r50k gpt2-vocab.json
holds 'the merges have the same prefix' test -s gpt2-merges.txt -a -s gpt2-special_tokens_map.json
ids r50k want
ids gpt2-merges.txt got
same want got
mkdir old.json
expect 0 'json: 270 ids' "$WETMILL" tokenizer convert cl100k old.json
same cl100k/tokenizer.json old.json/tokenizer.json
expect 2 'says itself' "$WETMILL" tokenizer convert --split r50k cl100k h

# A place in a file comes with the file's name.
LC_ALL=C sed 's/a t/a #/' d.gguf >bad.gguf
expect 1 'bad.gguf: tokenizer.ggml.merges item' "$WETMILL" tokenizer convert bad.gguf h
# A template is lost in .tiktoken, too.
expect 0 . "$WETMILL" tokenizer train -o begun --vocabulary 270 --bos '<|endoftext|>' --min-frequency 1 --format text text.txt
expect 0 '= 269, <\|endoftext\|> before a text' "$WETMILL" tokenizer convert begun begun.tiktoken

expect 2 "mean GPT-2's split" "$WETMILL" tokenizer convert --format gpt2 cl100k h
expect 0 . "$WETMILL" tokenizer train -o odd --vocabulary 280 --split pattern --pattern '[a-z]+|.' --min-frequency 1 --format text text.txt
expect 2 'no name for this tokenizer' "$WETMILL" tokenizer convert odd h.gguf
expect 1 'this is no tokenizer' "$WETMILL" tokenizer convert text.txt h
expect 1 'cannot' "$WETMILL" tokenizer convert absent h
holds "nothing was written" test ! -e h -a ! -e h.gguf
expect 2 . "$WETMILL" tokenizer convert cl100k
summary
