#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Whatever an interrupted run has kept: a byte of it is changed, it is cut, emptied or removed, and the
# same command must come to the same results. It says what it found damaged, and does only that again.
[ -w /dev/shm ] && TMPDIR=/dev/shm # every step waits for the disk many times
. "$WM_SOURCE_DIR/tests/cli/lib.sh"
: "${WM_STOPPED:?set WM_STOPPED to wetmill_stopped}"

# Numbers as letters: lines are compared without their digits.
for i in $(seq 400); do record "http://a.example/$i" "page $(tr 0-9 a-j <<<"$((i * 7919)) with some $((i * i)) words")
a line that all pages have, as in a menu
and another line, of $(tr 0-9 a-j <<<"$((i % 50))")"; done >all.wet
for i in $(seq 60); do record "http://b.example/$i" "short $i"; done >>all.wet
cat >job.yaml <<'YAML'
version: 1
output: out
input: {paths: [all.wet]}
corpus:
  stages: [normalize, length: {min_characters: 10}, paragraph-dedup: {keep: first}, write-jsonl: {compression: none}]
tokenizer: {vocabulary: 400, split: cl100k}
shards: {validation_share: 0.2}
train: {layers: 1, heads: 2, width: 16, context: 16, batch: 2, steps: 6, warmup: 2, validate_every: 2, validation_tokens: 64, checkpoint_every: 1, best: true}
YAML

# results DIR: digests of all but logs.
results() { (cd "$1" && find . -path ./log -prune -o -type f -print | sort | xargs sha256sum); }
run() { "$WM_STOPPED" run job.yaml -j 1 --rejects rejects "$@"; }

# Paths are part of what is kept: every run is one in out, with its rejects in rejects.
keep() { mkdir -p "$1" && mv out rejects "$1"; }
take() { rm -rf out rejects && cp -r "$1"/* .; }

# stop NAME STEP END N FROM: the run as it is when the N-th file of that end is in its place.
stop() {
    rm -rf out rejects
    mkdir rejects
    [ -z "$5" ] || take "$5"
    WM_STOP=$3 WM_STOP_AT=$4 run --only "$2" >out.txt 2>err.txt
    [ $? = 137 ] || fail "$1: not stopped at $3: $(tail -n3 err.txt)"
    keep "$1"
}

# list: what a whole run has come to; what tells of the configuration comes with its last step.
list() {
    results out | grep -vE ' \./(manifest.json|config.yaml)$'
    results rejects
}

# harm HOW FILE
harm() {
    local size at byte
    size=$(stat -c %s "$2") at=$((size / 2))
    case $1 in
    flip)
        byte=$(od -An -tu1 -j "$at" -N1 "$2")
        printf "$(printf '\\%03o' $((byte ^ 1)))" | dd of="$2" bs=1 seek="$at" conv=notrunc status=none
        ;;
    cut) truncate -s -"$((size / 3 + 1))" "$2" ;;
    empty) truncate -s 0 "$2" ;;
    remove) rm "$2" ;;
    esac
}

# damage NAME STEP FILE HOW SAID: that state, with that done to FILE, is gone on with; of what is said
# a line matches SAID ("-": it need not).
damage() {
    checks=$((checks + 1))
    take "$1"
    [ -f "$3" ] || { fail "$1: there is no $3" && return; }
    harm "$4" "$3"
    run --only "$2" >out.txt 2>err.txt </dev/null || fail "$4 of $3: $(tail -n4 err.txt)"
    [ "$5" = - ] || grep -qE -- "$5" err.txt || fail "$4 of $3: no /$5/: $(cat err.txt)"
    list >got.txt
    cmp -s "want.$2" got.txt || fail "$4 of $3: other results: $(diff "want.$2" got.txt | head -n 3)"
}

mkdir rejects
for step in corpus tokenizer shards train; do
    expect 0 "" run --only $step
    list >want.$step
    keep have.$step
    take have.$step
done

while read -r name step end n from; do
    [ "$name" ] || continue
    stop "$name" "$step" "$end" "$n" "$from"
    [ "${SHOW-}" ] && (cd "$name/out" && echo "== $name" && find work -type f)
done <<'STATES'
surveying  corpus    pass0/000000.point   1
reducing   corpus    reduce0/02.json      1
passing    corpus    pass1/000000.point   1
gathering  corpus    pass1/000000.json    1
publishing corpus    out/step.json        1
counting   tokenizer pass0/000000.point   1 have.corpus
counted    tokenizer pass0/000000.json    1 have.corpus
merging    tokenizer work/tokenizer/merges 1 have.corpus
encoding   shards    pass0/000000.point   1 have.tokenizer
encoded    shards    pass0/000000.json    1 have.tokenizer
training   train     checkpoint-00000005.ckpt 1 have.shards
STATES
[ "${SHOW-}" ] && { [ "${KEEP-}" ] && cp -r . "$KEEP"; summary; }

while read -r name step file hows said; do
    [ "$name" ] || continue
    for how in ${hows//,/ }; do damage "$name" "$step" "$file" "$how" "$said"; done
done <<'DAMAGE'
surveying  corpus out/work/corpus/commits/pass0/000000.point     flip,empty   000000.point is damaged: task 0 is done from its beginning
surveying  corpus out/work/corpus/runs/pass0/000000.run0.0       flip         000000.run0.0 is damaged .*: task 0 is done again
surveying  corpus out/work/corpus/runs/pass0/000000.run0.0       cut,remove   000000.run0.0: .*: task 0 is done from its beginning
surveying  corpus out/work/corpus/identity                       flip,remove  -
reducing   corpus out/work/corpus/runs/pass0/000000.run          flip         000000.run is damaged .*: task 0 of survey 0 .all.wet. is done again
reducing   corpus out/work/corpus/runs/pass0/000000.run          cut,remove   000000.run is (damaged|missing).*: task 0 is done again
reducing   corpus out/work/corpus/commits/pass0/000000.json      flip,cut     pass0/000000.json is damaged: task 0 is done again
reducing   corpus out/work/corpus/tables/0/01.table              flip         01.table is damaged .*: partition 1 of survey 0 is done again
reducing   corpus out/work/corpus/tables/0/01.table              empty,remove 01.table is damaged .*: it is made again
reducing   corpus out/work/corpus/commits/reduce0/01.json        flip,remove  -
passing    corpus out/work/corpus/commits/pass1/000000.point     flip,cut     000000.point is damaged: task 0 is done from its beginning
passing    corpus out/work/corpus/tables/0/07.table              flip         07.table is damaged .*: partition 7 of survey 0 is done again
passing    corpus out/work/corpus/runs/pass0/000000.run          flip         -
gathering  corpus out/work/corpus/parts/corpus_000000.jsonl      flip         corpus_000000.jsonl is damaged .*: task 0 .all.wet. is done again
gathering  corpus out/work/corpus/parts/corpus_000000.jsonl      cut,remove   corpus_000000.jsonl is (damaged|missing).*: task 0 is done again
gathering  corpus out/work/corpus/commits/pass1/000000.json      flip,empty   pass1/000000.json is damaged: task 0 is done again
gathering  corpus rejects/000000.jsonl.zst              flip,remove  000000.jsonl.zst is (damaged|missing).*: task 0 is done again
publishing corpus out/work/corpus/out/corpus_0000.jsonl          flip,cut     -
publishing corpus out/work/corpus/out/step.json                  flip,remove  -
publishing corpus out/work/corpus/identity                       flip         -
counting   tokenizer out/work/tokenizer/commits/pass0/000000.point  flip,cut  000000.point is damaged: task 0 is done from its beginning
counting   tokenizer out/work/tokenizer/parts/000000.pieces.part flip,empty   000000.pieces.part: .*: task 0 is done from its beginning
counted    tokenizer out/work/tokenizer/parts/000000.pieces      flip         000000.pieces is damaged .*: task 0 .* is done again
counted    tokenizer out/work/tokenizer/parts/000000.pieces      cut,remove   000000.pieces is (damaged|missing).*: task 0 is done again
merging    tokenizer out/work/tokenizer/merges                   flip,empty   merges is damaged: merges are learned from the first on
merging    tokenizer out/work/tokenizer/parts/000000.pieces      flip         000000.pieces is damaged .*: task 0 .* is done again
encoding   shards out/work/shards/parts/train_00000.bin.part     flip,remove  train_00000.bin.part: .*: task 0 is done from its beginning
encoding   shards out/work/shards/parts/train_00000.lengths.part flip,cut     train_00000.lengths.part: .*: task 0 is done from its beginning
encoding   shards out/work/shards/parts/train_00000.prov.zst.part flip,empty  train_00000.prov.zst.part: .*: task 0 is done from its beginning
encoded    shards out/work/shards/parts/train_00000.bin          flip         train_00000.bin is damaged .*: task 0 .* is done again
encoded    shards out/work/shards/parts/train_00000.idx          flip,cut     train_00000.idx is damaged .*: task 0 .*is done again
encoded    shards out/work/shards/parts/validation_00000.prov.zst flip,remove validation_00000.prov.zst is (damaged|missing).*: task 0 .*is done again
training   train  out/work/train/checkpoint-00000005.ckpt        flip,empty   checkpoint-00000005.ckpt is left out and removed
training   train  out/work/train/best.ckpt                       flip,remove  best.ckpt is missing or damaged: the training goes back
training   train  out/work/train/metrics.jsonl                   flip,remove  -
training   train  out/work/train/identity                        flip,remove  -
DAMAGE

# verify names what is damaged before it is needed, and the command; the second damage of one kind of
# file is told of as well.
take reducing
expect 0 "no damage found" "$WETMILL" verify out
harm flip out/work/corpus/runs/pass0/000000.run
harm flip out/work/corpus/commits/reduce0/01.json
expect 1 "out/work/corpus/runs/pass0/000000.run: its bytes .*: task 0 of survey 0 .all.wet. is done again" "$WETMILL" verify out
grep -q "^out/work/corpus/commits/reduce0/01.json: " err.txt || fail "verify names one alone: $(cat err.txt)"
tail -n1 err.txt | grep -q "^wetmill run .*job.yaml.* --verify$" || fail "no command: $(tail -n1 err.txt)"
take merging
harm cut out/work/tokenizer/merges
harm flip out/work/tokenizer/parts/000000.pieces
expect 1 "out/work/tokenizer/merges: " "$WETMILL" verify out
grep -q "^out/work/tokenizer/parts/000000.pieces: " err.txt || fail "verify names one alone: $(cat err.txt)"
take training
harm flip out/work/train/checkpoint-00000004.ckpt
expect 1 "out/work/train/checkpoint-00000004.ckpt: .*damaged" "$WETMILL" verify out

# A stop while the work of published results is removed leaves any part of it, with its name or without:
# that is no damage. Of others' work it is.
while read -r state step how file; do
    take "have.$step"
    mkdir -p out/work
    cp -r "$state/out/work/$step" out/work
    expect 0 "no damage found" "$WETMILL" verify out
    harm "$how" "out/work/$step/$file"
    expect 0 "no damage found" "$WETMILL" verify out
    printf '%032d' 0 >"out/work/$step/identity"
    expect 1 "^out/work/$step/.*: " "$WETMILL" verify out
    rm "out/work/$step/identity"
    expect 0 "no damage found" "$WETMILL" verify out
    run --only "$step" >out.txt 2>err.txt || fail "$state, half removed: $(tail -n4 err.txt)"
    holds "what is left of $state goes" test ! -e "out/work/$step"
done <<'REST'
reducing  corpus    remove runs/pass0/000000.run
reducing  corpus    flip   commits/reduce0/01.json
merging   tokenizer cut    merges
training  train     flip   checkpoint-00000004.ckpt
REST

# A training whose identity is damaged says itself whose it is: other options leave it as it is, its own
# go on with it, also where it stands aside.
sed 's/warmup: 2/warmup: 3/' job.yaml >other.yaml
sed 's/warmup: 2/warmup: 1/' job.yaml >third.yaml
check_train() {
    grep -q "going on from step $1" err.txt || fail "$2: not gone on from $1: $(cat err.txt)"
    list >got.txt
    cmp -s want.train got.txt || fail "$2: other results: $(diff want.train got.txt | head -n 3)"
}
take training
harm flip out/work/train/identity
cp out/work/train/identity damaged
expect 0 "train holds an unfinished result of other options .* it is now .*train.old" "$WETMILL" run other.yaml -j 1 --rejects rejects --only train
cmp -s damaged out/work/train.old/identity || fail "the identity of another's training is written to"
cp -r out keep.out
expect 0 "what was unfinished with these options is taken up again" run --only train
check_train 5 "aside, the other one finished"

# beside the finished result of other options, and of its own
rm -rf out && mv keep.out out && mv out/work/train.old out/work/train
expect 0 "train/identity is damaged: an unfinished result stands beside it, which stays: step 5" "$WETMILL" run other.yaml -j 1 --rejects rejects --only train
take have.train
mkdir -p out/work
cp -r training/out/work/train out/work/
harm flip out/work/train/identity
expect 0 "train/identity is damaged: the step is done, and what stands beside it is removed" run --only train
[ ! -e out/work/train ] || fail "a remainder stays"

# aside, with another one in its place: a third is refused, the own one changes places
take training
harm flip out/work/train/identity
WM_STOP=checkpoint-00000003.ckpt WM_STOP_AT=1 "$WM_STOPPED" run other.yaml -j 1 --rejects rejects --only train >out.txt 2>err.txt
[ $? = 137 ] || fail "not stopped: $(cat err.txt)"
expect 2 "stopped unfinished with two other sets of options" "$WETMILL" run third.yaml -j 1 --rejects rejects --only train
cmp -s damaged out/work/train.old/identity || fail "the identity of another's training aside is written to"
expect 0 "the other one stands aside now" run --only train
[ -d out/work/train.old ] && rm -r out/work/train.old || fail "the other one is gone"
check_train 5 "aside, another one in its place"

# none of its checkpoints can be read
take training
harm flip out/work/train/identity
for file in out/work/train/checkpoint-*.ckpt; do harm flip "$file"; done
expect 0 "it is now .*train.old" run --only train
[ -d out/work/train.old ] && rm -r out/work/train.old || fail "what was put aside is gone"
list >got.txt
cmp -s want.train got.txt || fail "no whole checkpoint: other results: $(diff want.train got.txt | head -n 3)"
[ "${KEEP-}" ] && cp -r . "$KEEP"
summary
