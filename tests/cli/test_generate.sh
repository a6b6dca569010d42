#!/usr/bin/env bash
# generate: one text as it is written, many as JSON lines in the order of their prompts, the same for
# any number of threads and of texts side by side; each is what it would be alone.
. "${BASH_SOURCE%/*}/model.sh"
. "${BASH_SOURCE%/*}/lib.sh"
command -v jq >/dev/null || { echo "skipped: jq is not here"; exit 77; }
train_model
w=$WETMILL

# one: prompt and text, plain
expect 0 '^ three four five six seven eight nine zero' "$w" generate model ' three four five' --temperature 0
[ "$(wc -l <out.txt)" = 1 ] || fail "one text is not one line"
expect 0 '^ three four five six seven$' "$w" generate model ' three four five' --temperature 0 --stop ' eight'
expect 0 '^[^{]' "$w" generate model --temperature 0 --max-tokens 5
expect 0 '^{"prompt":" one two","text":" three four","stop":"string"}$' \
    "$w" generate model ' one two' --temperature 0 --stop ' five' --json

# many: in order, with the seed of each
expect 0 '"stop":"(length|end)"' "$w" generate model ' one two' '' ' six seven' --count 4 --max-tokens 40 --temperature 1.5
cp out.txt many
checks=$((checks + 1))
[ "$(jq -r .prompt many | tr '\n' '|')" = ' one two| one two| one two| one two||||| six seven| six seven| six seven| six seven|' ] ||
    fail "prompts are not in order: $(jq -c .prompt many | tr '\n' ' ')"
checks=$((checks + 1))
[ "$(jq -r .text many | sort -u | wc -l)" -gt 6 ] || fail "texts are too much alike"
for how in '--at-once 1' '--at-once 64' '-j 1' '-j 3 --at-once 3'; do
    # shellcheck disable=SC2086
    expect 0 . "$w" generate model ' one two' '' ' six seven' --count 4 --max-tokens 40 --temperature 1.5 $how
    same out.txt many
done
i=0
while IFS= read -r line; do
    expect 0 . "$w" generate model "$(jq -r .prompt <<<"$line")" --max-tokens 40 --temperature 1.5 \
        --seed $((1 + i)) --json
    checks=$((checks + 1))
    [ "$(cat out.txt)" = "$line" ] || fail "text $i is another one alone"
    i=$((i + 1))
done <many

# prompts of a file
printf ' one two\n\n six seven\r\n' >prompts.txt
expect 0 . "$w" generate model --prompts prompts.txt --count 4 --max-tokens 40 --temperature 1.5
same out.txt many
printf '%s\n' '{"id":1,"prompt":" one two"}' '' '{"prompt":""}' '{"prompt":" six\u0020seven","x":[{}]}' >prompts.jsonl
expect 0 . "$w" generate model --prompts prompts.jsonl --prompt-format jsonl --count 4 --max-tokens 40 --temperature 1.5
same out.txt many
expect 0 . "$w" generate model ' one two' --prompts <(printf '\n six seven') --count 4 --max-tokens 40 --temperature 1.5
same out.txt many
expect 0 '^{"prompt":"\\t\\"�","text":' "$w" generate model $'\t"\xFF' x --max-tokens 3
holds "any bytes give JSON" jq -e . out.txt

printf '%s\n' '{"prompt":"a"}' '{"promt":"b"}' >bad.jsonl
expect 1 'bad.jsonl:2: no "prompt"' "$w" generate model --prompt-format jsonl --prompts bad.jsonl
printf '%s\n' '{"prompt":"a"' >bad.jsonl
expect 1 'bad.jsonl:1: ' "$w" generate model --prompt-format jsonl --prompts bad.jsonl
expect 1 'absent: cannot open' "$w" generate model --prompts absent
expect 2 'at.once' "$w" generate model x y --at-once 65
checks=$((checks + 1))
[ -z "$("$w" generate model --prompts /dev/null 2>&1)" ] || fail "no prompts, but text"

# interrupted: 130, and whole lines of what was finished
(
    "$w" generate model ' one' --count 100000 --max-tokens 400 --temperature 2 --top-k 0 >cut.jsonl 2>cut.err &
    pid=$!
    for _ in {1..100}; do
        sleep 0.1
        [ -s cut.jsonl ] && break
    done
    kill -INT $pid
    wait $pid
)
code=$?
checks=$((checks + 1))
[ $code = 130 ] || fail "exit $code after SIGINT: $(cat cut.err)"
holds "lines are whole" jq -es 'length > 0' cut.jsonl
summary
