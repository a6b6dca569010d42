#!/usr/bin/env bash
# eval: the same text in every form gives the same figures, shards those of training; multiple choice;
# what goes wrong is named.
. "${BASH_SOURCE%/*}/model.sh"
. "${BASH_SOURCE%/*}/lib.sh"
command -v jq >/dev/null || { echo "skipped: jq is not here"; exit 77; }
train_model
w=$WETMILL
figures() { jq -c '[.documents, .bytes, .tokens, .nats]' "$1"; }

# text, JSON lines, WET
count_documents 40 | tail -n 20 >held.jsonl
i=0
while IFS= read -r line; do
    text=$(jq -r .text <<<"$line")
    printf '%s\n' "$text" >>held.txt
    record "http://a/$i" "$text" >>held.wet
    i=$((i + 1))
done <held.jsonl
gzip -k held.wet
expect 0 '"documents":20,' "$w" eval model held.jsonl --json
cp out.txt want
for how in 'held.txt --text-unit line' held.wet held.wet.gz '--paths held.jsonl' 'held.jsonl -j 1' 'held.jsonl -j 3 --batch 1'; do
    # shellcheck disable=SC2086
    expect 0 . "$w" eval model --json $how
    same out.txt want
done
expect 0 '^ +20  documents$' "$w" eval model held.jsonl
expect 0 '^ +[0-9.]+  perplexity$' "$w" eval model held.jsonl
expect 0 '^ +0\.[0-9]{4}  bits per byte$' "$w" eval model held.jsonl
checks=$((checks + 1))
jq -e '(.nats / .tokens | exp) - .perplexity | fabs < 1e-9' want >/dev/null || fail "perplexity is not of nats"
checks=$((checks + 1))
jq -e '.nats / (2 | log) / .bytes - .bits_per_byte | fabs < 1e-9' want >/dev/null || fail "bits per byte are not of nats"
checks=$((checks + 1))
[ "$(jq .bytes want)" = "$(jq -j .text held.jsonl | wc -c)" ] || fail "bytes are not those of the text"
expect 0 . "$w" eval model held.jsonl --json --score-end
checks=$((checks + 1))
jq -e --argjson tokens "$(jq .tokens want)" '.tokens == $tokens + 20' out.txt >/dev/null || fail "ends are not scored"

# shards: what training said
nats=$(tail -n 1 model/metrics.jsonl | jq -r '.validation_nats // .validation_loss // empty')
expect 0 . "$w" eval model --shards shards --stride 24 --json
checks=$((checks + 1))
[ -n "$nats" ] && jq -e --argjson want "$nats" '.nats_per_token - $want | fabs < 2e-6' out.txt >/dev/null ||
    fail "training said $nats, eval $(cat out.txt)"
expect 0 . "$w" eval model --shards shards --split train --tokens 100 --stride 24 --json
checks=$((checks + 1))
jq -e '.tokens == 96 and .windows == 4' out.txt >/dev/null || fail "not the first 96 tokens: $(cat out.txt)"

# choices
cat >rows.jsonl <<'END'
{"context":" three four five six","endings":["two","seven","nine"],"label":1}
{"ctx":" eight nine zero","choices":["one two","seven one"],"label":"0"}
{"context":" one two three","endings":[" six"," four"],"label":0}
END
expect 0 '^ +66\.67%  right \(standard error 33\.33\)$' "$w" eval model --choices rows.jsonl
expect 0 '^ +3  rows$' "$w" eval model --choices rows.jsonl
expect 0 . "$w" eval model --choices rows.jsonl --json
cp out.txt want
checks=$((checks + 1))
[ "$(jq -c '[.line,.label,.chosen,.bytes]' want | head -n 3 | tr '\n' ' ')" = \
    '[1,1,1,[3,5,4]] [2,0,0,[7,9]] [3,0,1,[4,5]] ' ] || fail "rows: $(cat want)"
checks=$((checks + 1))
tail -n 1 want | jq -e '.rows == 3 and .right == 2' >/dev/null || fail "summary: $(tail -n 1 want)"
for how in '-j 1' '-j 3' '--batch 1' '--batch 3'; do
    # shellcheck disable=SC2086
    expect 0 . "$w" eval model --choices rows.jsonl --json $how
    same out.txt want
done
expect 0 . "$w" eval model --choices rows.jsonl --json --delimiter ''
checks=$((checks + 1))
cmp -s out.txt want && fail "the delimiter makes no difference"
printf '%s\n' '{"context":"a","endings":["b"],"label":0}' '{"context":"a","endings":["b"],"label":4}' >bad.jsonl
expect 1 'bad.jsonl:2: label 4 of 1 endings' "$w" eval model --choices bad.jsonl
expect 1 'absent: cannot open' "$w" eval model --choices absent

# what goes wrong
expect 2 'nothing to judge' "$w" eval model
expect 2 'do not go together' "$w" eval model held.txt --shards shards
expect 2 'no config.json' "$w" eval shards held.txt
expect 2 'stride of 25' "$w" eval model held.txt --stride 25
expect 2 'no special token' "$w" eval model held.txt --begin '<s>'
expect '[12]' . "$w" eval model absent.txt
: >empty.txt
expect 1 'no text to score' "$w" eval model empty.txt
printf '{"text":"one two"}\n{"text":\n' >damaged.jsonl
expect 3 '"documents":1,' "$w" eval model damaged.jsonl --json
"$w" tokenizer train -q -o other --vocabulary 280 docs.jsonl && "$w" shards build -q -t other -o strange docs.jsonl
expect 2 'shards were made with' "$w" eval model --shards strange --split train
summary
