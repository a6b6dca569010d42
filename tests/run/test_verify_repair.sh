#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Damage to any file of a run is found, named, and mended by the command that verify gives.
. "$WM_SOURCE_DIR/tests/cli/lib.sh"

# pages N: an archive of N records.
pages() {
    local i
    for i in $(seq "$1"); do record "http://a.example/$i" "page $i with some words to read
and another line, number $((i * 7919))"; done
}
pages 60 >all.wet
cat >job.yaml <<'YAML'
version: 1
output: out
input: {paths: [all.wet]}
corpus: {stages: [normalize, length: {min_characters: 10}]}
tokenizer: {vocabulary: 300, split: cl100k}
shards: {validation_share: 0.2}
train: {layers: 1, heads: 2, width: 16, context: 16, batch: 2, steps: 4, warmup: 2, validate_every: 2, validation_tokens: 64}
sample: {tokens: 4, prompts: ["page"]}
YAML

# flip FILE: another value for its middle byte.
flip() {
    local at=$(($(stat -c %s "$1") / 2)) byte
    byte=$(od -An -tu1 -j "$at" -N1 "$1")
    printf "$(printf '\\%03o' $((byte ^ 1)))" | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}

# results DIR: digests of all but logs.
results() { (cd "$1" && find . -path ./log -prune -o -type f -print | sort | xargs sha256sum); }

expect 2 "there are no results of wetmill here" "$WETMILL" verify "$work"
expect 0 "" "$WETMILL" run job.yaml
results out >want.txt
expect 0 "no damage found: 5 steps" "$WETMILL" verify out
expect 0 '"findings":\[\],"steps":5,.*"repair":null' "$WETMILL" verify out --json
expect 0 "no damage found: 1 step" "$WETMILL" verify out/shards/

# mend FILE: by the command that verify says.
mend() {
    local command
    command=$(tail -n1 err.txt)
    [[ $command == wetmill\ run\ *--verify ]] || fail "no command to repair $1: $command"
    (cd / && eval "${command/wetmill/"$WETMILL"}") >mend.txt 2>&1 || fail "repairing $1: $(tail -n3 mend.txt)"
    results out >got.txt
    same want.txt got.txt
}

for file in $(cd out && find . -path ./log -prune -o -type f -printf '%P\n' | sort); do
    flip "out/$file"
    expect 1 "^out/${file//./\\.}: " "$WETMILL" verify out
    grep -q "1 problem found" err.txt || fail "more than one problem: $(cat err.txt)"
    mend "$file"
done

# Only what is damaged is done again.
flip out/tokenizer/tokenizer.json
expect 0 "corpus +up to date" "$WETMILL" run job.yaml --verify
for said in "tokenizer +runs" "shards +up to date" "train +up to date"; do
    grep -qE "$said" err.txt || fail "no /$said/: $(cat err.txt)"
done

# Cut short, missing, a whole step missing.
truncate -s -1 out/shards/train_00000.bin
expect 1 "shards/train_00000.bin: has [0-9]+ bytes, was written with" "$WETMILL" verify out
mend "a cut file"
rm out/model/config.json
expect 1 "model/config.json: is missing" "$WETMILL" verify out
mend "a missing file"
rm -r out/samples
expect 1 "out/samples: is missing, manifest.json lists it" "$WETMILL" verify out
mend "a missing step"
rm out/manifest.json
expect 0 "no damage found" "$WETMILL" verify out # as after a stop before the end
expect 0 "" "$WETMILL" run job.yaml

# Whole in itself, but not what the others were made from.
pages 59 >fewer.wet
expect 0 "" "$WETMILL" corpus build -o other -s normalize -s length:min_characters=10 fewer.wet
mv out/corpus kept && cp -r other out/corpus
expect 1 "out/tokenizer: was made from another corpus than the one that stands here" "$WETMILL" verify out
grep -q "out/tokenizer: read 60 documents, the corpus has" err.txt || fail "no word of documents: $(cat err.txt)"
mv out/manifest.json .
expect 1 "out/tokenizer: was made from another corpus .*: the run was stopped before it came to this step" "$WETMILL" verify out
grep -q "documents, the corpus has" err.txt && fail "documents of what a stopped run has not come to: $(cat err.txt)"
mv manifest.json out
rm -r out/corpus && mv kept out/corpus

# Without --verify a damaged record is not written over.
flip out/corpus/step.json
expect 1 "corpus/step.json: the record of step corpus is damaged" "$WETMILL" run job.yaml
grep -q "hint: --verify replaces" err.txt || fail "no hint: $(cat err.txt)"
expect 0 "" "$WETMILL" run job.yaml --verify
results out >got.txt
same want.txt got.txt

# The command is whoever's who made the directory: only one as wetmill writes it is said again.
cp out/log/command command
flip out/shards/shards.json
general='repeat the command that made it, with --verify'
hostile() {
    expect 1 "" "$WETMILL" verify out
    [ "$(tail -n1 err.txt)" = "$general" ] || fail "$(od -c out/log/command | head -n 3): $(tail -n2 err.txt)"
    expect 1 "\"repair\":\"$general\"" "$WETMILL" verify out --json
}
file=$(cat command)
for said in '' ' x; touch PWNED #' " '/x'; touch PWNED #" " '/x' && touch PWNED" "$file; touch PWNED" "$file #" "$file &" "$file
touch PWNED" "$file
" " '/x
y'" "$file "$'\r' " '/x'\$(touch PWNED)" " '/x'\`touch PWNED\`" " '/x'\\' ; touch PWNED '" " '/x" " '/x'y" " \"/x\"" " /x" " x.yaml" \
    " '-x'" "'/x'" "  '/x'" "$file > PWNED" "$file --set" "$file --set output=x" "$file --set 'a'b" "$file --limit" "$file --limit 7x" \
    "$file --limit 7;x" "$file --limit '7'" "$file --rejects '/x' y" "$file --rejects '/x'|y" "$file --verify" "$file -o '/x'" \
    "$file --set '"$'\033'"[2J'" "$file --set '"$'\302\233'"2J'" "$file --set '"$'\342\200\256'"'" "$file --set '"$'\377'"'" \
    "$file --set '$(head -c 9000 /dev/zero | tr '\0' x)'"; do
    printf %s "$said" >out/log/command
    hostile
done
printf "%s\\0; touch PWNED" "$file" >out/log/command
hostile
rm out/log/command && mkfifo out/log/command
hostile
rm out/log/command
hostile
for said in "$file" " '/it'\\''s ; & \$x \`y\` # <>.yaml'" " '/ä b' --set 'a='\\''b' --set '' --limit 12 --rejects '/r'"; do
    printf %s "$said" >out/log/command
    expect 1 "" "$WETMILL" verify out
    [ "$(tail -n1 err.txt)" = "wetmill run$said -o '$work/out' --verify" ] || fail "$said: $(tail -n1 err.txt)"
done
cp command out/log/command
expect 1 "" "$WETMILL" verify out
mend "after all"

# Nobody writes into a pipe that stands for the name of kept work.
mkdir -p out/work/corpus && mkfifo out/work/corpus/identity
expect 0 "no damage found" timeout -s KILL 60 "$WETMILL" verify out
rm -r out/work

# An apostrophe in a name is quoted.
mkdir "it's" && sed "s,all.wet,../all.wet,; s,^output: .*,output: out," job.yaml >"it's/a job's.yaml" && mkdir "it's/r's"
expect 0 "" "$WETMILL" run "it's/a job's.yaml" --only corpus --limit 50 --rejects "it's/r's"
flip "it's/out/corpus/recipe.json"
expect 1 "" "$WETMILL" verify "it's/out"
command=$(tail -n1 err.txt)
[[ $command == wetmill\ run\ *--limit\ 50\ --rejects\ *--verify ]] || fail "no command: $command"
(cd / && eval "${command/wetmill/"$WETMILL"} --only corpus") >mend.txt 2>&1 || fail "repairing: $(tail -n3 mend.txt)"
expect 0 "no damage" "$WETMILL" verify "it's/out"

# Input that has changed with its time and size kept is trusted, but not by --verify.
cp -p all.wet old.wet
flip all.wet
touch -r old.wet all.wet
expect 0 "corpus +up to date" "$WETMILL" run job.yaml
expect 0 "input: comparing contents" "$WETMILL" run job.yaml --verify
grep -qE "corpus +runs" err.txt || fail "changed input went unseen: $(cat err.txt)"
cp -p old.wet all.wet
expect 0 "corpus +runs" "$WETMILL" run job.yaml --verify
results out >got.txt
same want.txt got.txt

# A single step's command does the same.
flip other/recipe.json
expect 1 "other/recipe.json: its bytes" "$WETMILL" verify other
expect 0 "corpus +runs" "$WETMILL" corpus build -o other -s normalize -s length:min_characters=10 fewer.wet --verify
expect 0 "no damage" "$WETMILL" verify other

# Other forms of a corpus are counted as well.
for how in "--compression none" "--compression gzip" "--text-field content" "--limit 7" "-s normalize"; do
    for profile in strict ccnet; do
        rm -rf form
        # shellcheck disable=SC2086
        expect "0|3" "" "$WETMILL" corpus build -o form --limit 40 --max-bad-records 1 --max-bad-files 1 --profile $profile $how "$WM_SOURCE_DIR/samples/crawl"
        expect 0 "no damage" "$WETMILL" verify form
    done
done
summary
