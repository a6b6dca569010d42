#!/usr/bin/env bash
# A SentencePiece model wherever a tokenizer is read: encode, decode, convert, inspect, shards, a run.
# With SentencePiece's own programs at hand: models made here and now give its ids and its texts.
. "${BASH_SOURCE%/*}/lib.sh"
w=$WETMILL
models=$WM_SOURCE_DIR/tests/vectors/sentencepiece
crawl=$(ls "$WM_SOURCE_DIR"/samples/crawl/*.gz | head -1)

for name in unigram bpe suffix across; do
    "$w" tokenizer encode -t "$models/$name.model" --unit lines "$models/texts.txt" >got
    same got "$models/$name.ids"
    "$w" tokenizer decode -t "$models/$name.model" --unit lines "$models/$name.ids" >got
    same got "$models/$name.decoded"
done
expect 0 '^2$' "$w" tokenizer encode -t "$models/bpe.model" --specials <(printf '</s>')
expect 0 '^1:0-0 2:0-3$|^[0-9]+:0-[0-9]+( [0-9]+:[0-9]+-[0-9]+)*$' "$w" tokenizer encode -t "$models/bpe.model" --offsets <(printf the)
expect 2 'normaliser changes this text' "$w" tokenizer encode -t "$models/unigram.model" --offsets <(printf '  the  ')
expect 0 'sentencepiece-unigram' "$w" tokenizer inspect "$models/unigram.model"
expect 0 '"split":"sentencepiece-bpe"' "$w" tokenizer inspect --json "$models/bpe.model" --against "$models/across.model"

# decode: in steps, whatever stands at their ends
"$w" tokenizer encode -t "$models/bpe.model" <(for i in {1..3000}; do printf 'naïve 日本語 %s ' "$i"; done) >ids.txt
"$w" tokenizer decode -t "$models/bpe.model" ids.txt >got
for i in {1..3000}; do printf 'naïve 日本語 %s ' "$i"; done >want
same got want
expect 0 '^"naïve 日本語"$' "$w" tokenizer decode -t "$models/bpe.model" --unit json <("$w" tokenizer encode -t "$models/bpe.model" <(printf 'naïve 日本語'))
expect 1 'byte 4 is no token id' "$w" tokenizer decode -t "$models/bpe.model" <(printf '1 2 x')
expect 1 'id 600, the model has 600' "$w" tokenizer decode -t "$models/bpe.model" <(printf '1 600')

expect 0 'json: 600 ids' "$w" tokenizer convert "$models/bpe.model" hf
holds 'a byte fallback' grep -q '"byte_fallback":true' hf/tokenizer.json
expect 0 'gguf: 600 ids' "$w" tokenizer convert "$models/bpe.model" m.gguf
expect 0 'sentencepiece: 600 ids' "$w" tokenizer convert m.gguf back.model
"$w" tokenizer encode -t back.model --unit lines "$models/texts.txt" >got
same got "$models/bpe.ids"
"$w" tokenizer decode -t m.gguf --unit lines "$models/bpe.ids" >got
same got "$models/bpe.decoded"
expect 0 'sentencepiece: 400 ids' "$w" tokenizer convert "$models/unigram.model" u.model
same u.model "$models/unigram.model"
expect 2 'the model is a unigram model' "$w" tokenizer convert "$models/unigram.model" none
expect 2 'remove_extra_whitespaces' "$w" tokenizer convert "$models/across.model" none.gguf
expect 2 'not a SentencePiece model' "$w" tokenizer convert "$models/bpe.model" none.tiktoken
expect 0 . "$w" tokenizer train -o bytes --vocabulary 300 --format text "$models/texts.txt"
expect 2 'cannot express byte-level BPE' "$w" tokenizer convert bytes none.model
holds 'nothing was written' test ! -e none -a ! -e none.gguf -a ! -e none.tiktoken -a ! -e none.model

for name in bpe unigram; do
    expect 0 'documents' "$w" shards build -t "$models/$name.model" -o "shards-$name" "$crawl"
    same "shards-$name/tokenizer.model" "$models/$name.model"
    expect 0 . "$w" shards verify "shards-$name"
    expect 0 'the record gives the same text' "$w" shards trace --root . "shards-$name/train_00000" 100
done
cp -r shards-bpe other
cp "$models/unigram.model" other/tokenizer.model
expect 2 'not the one the shards were made with' "$w" shards trace other/train_00000 100

cp "$models/bpe.model" given.model
cat >run.yaml <<Y
version: 1
output: run
input: {paths: ["$crawl"]}
tokenizer: given.model
shards: {}
Y
expect 0 'shards' "$w" run run.yaml
same run/shards/tokenizer.model given.model
holds 'no step' test ! -e run/tokenizer
holds 'the tokenizer is named' grep -q '^tokenizer: "\?given.model' run/config.yaml
expect 0 'up to date' "$w" run run.yaml
sed -i 's/given.model/absent.model/' run.yaml
expect 2 'run.yaml:4:.*there is no such tokenizer' "$w" run run.yaml

if ! command -v spm_train spm_encode spm_decode >/dev/null 2>&1; then
    echo "SentencePiece's programs are not here: not compared with them"
    summary
fi
"$w" corpus head -n 40 "$crawl" 2>/dev/null | tr -d '\r' | cut -c1-400 | grep . | head -n 3000 >train.txt
[ -s train.txt ] || cat "$WM_SOURCE_DIR"/docs/*.md >train.txt
{
    head -n 400 train.txt
    cat "$models/texts.txt"
    printf 'a  b\t c \n<s> <unk> <sep>x\n\xff\xfe half \xe2\x96\n▁ ▁▁x\n   \n'
} >texts.txt
printf '263A\t3A 29\n' >back.tsv # ☺ is decoded as :)
while read -r options; do
    # shellcheck disable=SC2086
    spm_train --input=train.txt --model_prefix=m --hard_vocab_limit=false --num_threads=1 --vocab_size=500 \
        --minloglevel=2 $options >/dev/null 2>&1 || { fail "spm_train $options"; continue; }
    spm_encode --model=m.model --output_format=id <texts.txt >want 2>/dev/null
    "$w" tokenizer encode -t m.model --unit lines texts.txt >got
    same got want
    spm_decode --model=m.model --input_format=id <want >want.txt 2>/dev/null
    "$w" tokenizer decode -t m.model --unit lines want >got.txt
    same got.txt want.txt
done <<'O'
--model_type=unigram
--model_type=unigram --byte_fallback --character_coverage=0.98
--model_type=unigram --denormalization_rule_tsv=back.tsv --user_defined_symbols=<sep>
--model_type=bpe --normalization_rule_name=identity --remove_extra_whitespaces=false --byte_fallback
--model_type=bpe --normalization_rule_name=nfkc_cf --add_dummy_prefix=false
--model_type=bpe --treat_whitespace_as_suffix --control_symbols=<sep>
O
summary
