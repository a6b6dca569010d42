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
small=("$w" train shards --layers 2 --heads 2 --width 32 --context 24 --batch 8 --steps 1000 --warmup 20
    --validate-every 0 --checkpoint-every 50)
expect 0 . "${small[@]}" -o whole
"${small[@]}" -o stopped >stop.txt 2>&1 &
for ((i = 0; i < 3000; i++)); do
    [ -n "$(find stopped.work -name "*.ckpt" 2>/dev/null)" ] && break
    sleep 0.02
done
kill -INT $!
wait $!
code=$?
checks=$((checks + 1))
[ $code = 130 ] || fail "a stopped training ends with $code: $(tail -c 400 stop.txt)"
holds 'no result yet' test ! -e stopped
expect 0 'going on from step [0-9]+ of 1000' "${small[@]}" -o stopped
for file in model.safetensors config.json metrics.jsonl; do same "whole/$file" "stopped/$file"; done
holds 'the working state is gone' test ! -e stopped.work
summary
