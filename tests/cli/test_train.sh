#!/usr/bin/env bash
# train: what it is told to read is looked for first; a stop by Ctrl-C loses nothing.
. "${BASH_SOURCE%/*}/model.sh"
. "${BASH_SOURCE%/*}/lib.sh"
train_model
w=$WETMILL

# what is not there, before anything is touched
expect 2 'nowhere: init_from: there is no config.json' "$w" train shards -o other --init-from nowhere
mkdir empty
expect 2 'empty: init_from: there is no config.json' "$w" train shards -o other --init-from empty
expect 2 'init_from: the model would be written over itself' "$w" train shards -o model --init-from model
expect 2 'init_from: the model would be written over itself' "$w" train shards -o model --init-from ./empty/../model
expect 2 'empty: mix: there is no shards.json' "$w" train shards -o other --mix empty=1
expect 2 'mix takes DIR=WEIGHT' "$w" train shards -o other --mix shards
expect 2 'rope_theta 500000: gpt2 has no rotary positions' "$w" train shards -o other --rope-theta 5e5
expect 2 'always its token embedding' "$w" train shards -o other --no-tied
expect 2 'gpt2 has a key/value head for each of its 6 heads, not 2 in all' "$w" train shards -o other --kv-heads 2
holds 'nothing was written' test ! -e other -a ! -e other.work

# Ctrl-C in mid-run, then the same command: the bytes of an undisturbed run
small=("$w" train shards --layers 2 --heads 2 --width 32 --context 24 --batch 8 --steps 400 --warmup 20
    --validate-every 0 --checkpoint-every 50)
# stop_training OUT OPTION…: with a checkpoint in OUT.work
stop_training() {
    local code pid i
    "${small[@]}" -o "$@" >stop.txt 2>&1 &
    pid=$!
    for ((i = 0; i < 3000; i++)); do
        [ -n "$(find "$1.work" -name "*.ckpt" -newer stamp 2>/dev/null)" ] && break
        sleep 0.02
    done
    kill -INT $pid
    wait $pid
    code=$?
    checks=$((checks + 1))
    [ $code = 130 ] || fail "a stopped training ends with $code: $(tail -c 400 stop.txt)"
    touch stamp
}
touch -d '1 hour ago' stamp
expect 0 . "${small[@]}" -o whole
stop_training stopped
holds 'no result yet' test ! -e stopped

# other options: what is unfinished stands aside, and is found again; a third is refused
first=$(sha256sum stopped.work/*.ckpt | cut -d ' ' -f 1)
stop_training stopped --seed 2
holds 'it says what was there' grep -qE 'stopped.work holds an unfinished result .*step [0-9]+; .*seed "1", this one has "2"' stop.txt
holds 'and where it is' grep -q 'stopped.work.old' stop.txt
same <(sha256sum stopped.work.old/*.ckpt | cut -d ' ' -f 1) <(echo "$first")
second=$(sha256sum stopped.work/*.ckpt | cut -d ' ' -f 1)
expect 2 'two other sets of options' "${small[@]}" -o stopped --seed 3
expect 2 'repeat a command of theirs, or remove one' "${small[@]}" -o stopped --validate-every 7
same <(sha256sum stopped.work.old/*.ckpt stopped.work/*.ckpt | cut -d ' ' -f 1) <(printf '%s\n' "$first" "$second")
# a stop in the middle of the exchange
cp -r stopped.work saved.work && cp -r stopped.work.old saved.old
mv stopped.work stopped.work.swap
expect 0 'going on from step [0-9]+ of 400' "${small[@]}" -o stopped --seed 2
same <(sha256sum stopped.work.old/*.ckpt | cut -d ' ' -f 1) <(echo "$first")
holds 'nothing lies between' test ! -e stopped.work.swap -a ! -e stopped.work
rm -rf stopped && cp -r saved.work stopped.work.swap && rm -rf stopped.work.old && cp -r saved.old stopped.work
expect 0 'going on from step [0-9]+ of 400' "${small[@]}" -o stopped
same <(sha256sum stopped.work.old/*.ckpt | cut -d ' ' -f 1) <(echo "$second")
for file in model.safetensors config.json metrics.jsonl; do same "whole/$file" "stopped/$file"; done
# in place of one another
rm -rf stopped stopped.work* && cp -r saved.work stopped.work && cp -r saved.old stopped.work.old
expect 0 'taken up again; the other one stands aside' "${small[@]}" -o stopped
holds 'it is told of at the end, too' grep -q 'stopped.work.old still holds' err.txt
for file in model.safetensors config.json metrics.jsonl; do same "whole/$file" "stopped/$file"; done
same <(sha256sum stopped.work.old/*.ckpt | cut -d ' ' -f 1) <(echo "$second")
expect 0 'going on from step [0-9]+ of 400' "${small[@]}" -o stopped --seed 2
holds 'the working state is gone' test ! -e stopped.work -a ! -e stopped.work.old
# what would stand aside where somebody has his own
cp -r saved.work aside.work && mkdir aside.work.old && echo mine >aside.work.old/notes
expect 2 'aside.work.old: .*notes is not of it' "${small[@]}" -o aside
same aside.work.old/notes <(echo mine)
same <(sha256sum aside.work/*.ckpt | cut -d ' ' -f 1) <(echo "$second")

# shards that somebody cuts meanwhile: an error, and the checkpoints from before stand
ls shards/*.bin >/dev/null && cp shards/train_00000.bin kept.bin
"${small[@]}" -o cut >stop.txt 2>&1 &
pid=$!
for ((i = 0; i < 3000; i++)); do
    [ -n "$(find cut.work -name "*.ckpt" 2>/dev/null)" ] && break
    sleep 0.02
done
truncate -s 0 shards/train_00000.bin
wait $pid
code=$?
checks=$((checks + 1))
[ $code = 1 ] || fail "training on shards that are cut ends with $code: $(tail -c 400 stop.txt)"
holds 'what was cut is named' grep -q 'train_00000.bin' stop.txt
holds 'nothing is made of it' test ! -e cut
cp kept.bin shards/train_00000.bin
expect 0 'going on from step [0-9]+ of 400' "${small[@]}" -o cut
for file in model.safetensors config.json metrics.jsonl; do same "whole/$file" "cut/$file"; done

# an unfinished result of other options, in a run
cat >run.yaml <<'END'
version: 1
output: run
input: {paths: [docs.jsonl]}
tokenizer: {vocabulary: 300}
shards: {validation_share: 0.2}
train: {layers: 2, heads: 2, width: 32, context: 24, batch: 8, steps: 400, validate_every: 0, checkpoint_every: 50}
END
"$w" run run.yaml >stop.txt 2>&1 &
pid=$!
for ((i = 0; i < 3000; i++)); do
    [ -n "$(find run/work/train -name "*.ckpt" 2>/dev/null)" ] && break
    sleep 0.02
done
kill -INT $pid
wait $pid
first=$(sha256sum run/work/train/*.ckpt | cut -d ' ' -f 1)
expect 0 'work/train holds an unfinished result' "$w" run run.yaml --set train.steps=3
same <(sha256sum run/work/train.old/*.ckpt | cut -d ' ' -f 1) <(echo "$first")
expect 0 'going on from step [0-9]+ of 400' "$w" run run.yaml
holds 'all working state is gone' test ! -e run/work
summary
