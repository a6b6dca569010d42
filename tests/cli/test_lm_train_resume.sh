#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# lm train stopped and killed: the same command goes on to the same bytes; what it cannot go on with it
# says, and starts anew.
. "${BASH_SOURCE%/*}/lib.sh"
w=$WETMILL
awk 'BEGIN { for (i = 1; i <= 40000; i++)
    print "w" i % 7, "w" i * i % 101, "x" i * 7 % 10009, "w" i % 5, "y" i * i % 40009, "w" i % 3 }' >corpus.txt
sed 's/.*/{"text":"&"}/' corpus.txt >corpus.jsonl

# stop SIGNAL FILE PATTERN COMMAND…: once PATTERN stands in FILE, or 20 s later.
stop() {
    local signal=$1 file=$2 pattern=$3 pid
    shift 3
    "$@" >bg.txt 2>&1 </dev/null &
    pid=$!
    for _ in $(seq 1000); do
        grep -qs "$pattern" "$file" && break
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.02
    done
    kill "-$signal" "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    code=$?
}

counting='^[1-9][0-9]* tokens counting' # the position, which is renewed each second
estimating='n-grams estimating'
"$w" lm train -q -o want-model.arpa --discount-fallback corpus.txt
"$w" lm train -q -o want-model.wmlm --discount-fallback corpus.txt
for input in corpus.txt corpus.jsonl; do
    for model in model.arpa model.wmlm; do
        [ $input-$model = corpus.txt-model.wmlm ] && continue
        train=("$w" lm train -o "$model" --discount-fallback --memory 64MiB "$input")
        stop TERM "$model.lock" . "${train[@]}"
        # a fast machine may be done before it sees the signal
        if [ "$code" = 143 ] && [ -e "$model.work/point" ]; then
            holds "$model: it is said how to go on" grep -q 'run the same command again to continue' bg.txt
            holds "$model: nothing stands there yet" test ! -e "$model"
        fi
        holds "$model: no lock stays" test ! -e "$model.lock"
        stop KILL "$model.work/position" "$counting" "${train[@]}"
        expect '0' 'sentences' "${train[@]}" -j 3
        same "$model" "want-$model"
        holds "$model: nothing is left" bash -c "! compgen -G '$model.*'"
        stop KILL "$model.work/position" "$estimating" "${train[@]}"
        expect '0' 'sentences' "${train[@]}" --memory 32MiB
        same "$model" "want-$model"
        rm -f "$model"
    done
done

# A point is there for certain: one that is made because somebody asks to stop while the text is read,
# of which a fast machine has milliseconds.
train=("$w" lm train -o m.arpa --discount-fallback)
begin() {
    rm -rf m.arpa*
    for _ in $(seq 20); do
        "${train[@]}" "$@" >bg.txt 2>&1 </dev/null &
        pid=$!
        until [ -s m.arpa.work/identity ] || ! kill -0 "$pid" 2>/dev/null; do :; done
        kill -INT "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
        code=$?
        [ -e m.arpa.work/point ] && return
        rm -rf m.arpa*
    done
    fail "no point was made: $(cat bg.txt)"
}
begin corpus.txt
checks=$((checks + 1))
[ "$code" = 130 ] || fail "SIGINT gives $code"
cp -r m.arpa.work kept
expect 0 'Went on after a stop: counting: [0-9,]+ tokens had been done, [0-9,]+ tokens of it again' "${train[@]}" corpus.txt
same m.arpa want-model.arpa
restore() {
    rm -rf m.arpa m.arpa.work
    cp -r kept m.arpa.work
}
restore
expect 0 'is of other options; training starts anew' "${train[@]}" --order 3 corpus.txt
restore
expect 0 'of other input, or the input has changed' "${train[@]}" corpus.txt corpus.jsonl

# flip FILE: a bit in the middle of it
flip() {
    local at=$(($(stat -c %s "$1") / 2)) byte
    byte=$(od -An -tu1 -j "$at" -N1 "$1")
    printf "$(printf '\\%03o' $((byte ^ 1)))" | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}

for file in point words.part runs.part; do
    restore
    [ -e m.arpa.work/$file ] || continue
    flip m.arpa.work/$file
    expect 0 'does not fit: .*; training starts anew' "${train[@]}" corpus.txt
    grep -q 'counting: [1-9].* had been done, 0 tokens of it again' err.txt &&
        fail "$file: all was done again: $(cat err.txt)"
    same m.arpa want-model.arpa
    restore
    rm m.arpa.work/$file
    expect 0 'sentences' "${train[@]}" corpus.txt
    same m.arpa want-model.arpa
done
restore
touch -d '1 hour ago' corpus.txt
expect 0 'of other input, or the input has changed since; training starts anew' "${train[@]}" corpus.txt
same m.arpa want-model.arpa

# The same files in other operands are other input: a position says which operand.
mkdir two
head -n 20000 corpus.txt >two/a.txt
tail -n +20001 corpus.txt >two/b.txt
begin two/a.txt two/b.txt
cp -r m.arpa.work kept-two
expect 0 'of other input, or the input has changed since; training starts anew' "${train[@]}" two
same m.arpa want-model.arpa
rm -rf m.arpa
cp -r kept-two m.arpa.work
expect 0 'Went on after a stop' "${train[@]}" two/a.txt two/b.txt
same m.arpa want-model.arpa
# A list of words counts by what it holds.
echo w1 w2 >words.txt
begin --limit-vocabulary words.txt corpus.txt
touch -r words.txt when
echo w3 w4 >words.txt
touch -r when words.txt
expect 0 'of other input, or the input has changed since; training starts anew' \
    "${train[@]}" --limit-vocabulary words.txt corpus.txt

# What is somebody else's stays, and is named.
foreign() {
    local name=$1
    shift
    rm -rf f.arpa*
    mkdir f.arpa.work
    echo mine >f.arpa.work/"$name"
    expect 2 "f.arpa.work: .*$name is not of it" "$@"
    holds "$name stays" grep -q mine f.arpa.work/"$name"
    holds 'no model, no lock' bash -c 'test ! -e f.arpa -a ! -e f.arpa.lock'
}
for name in notes.txt runs.csv counts.x arpa.tmp wordsmith words point.tmp.1 below.1.2; do
    foreign "$name" "$w" lm train -o f.arpa --discount-fallback corpus.txt
    foreign "$name" "$w" lm train -o f.arpa --discount-fallback -
done
rm -rf f.arpa*
echo mine >f.arpa.work
expect 2 'it is not a directory' "$w" lm train -o f.arpa --discount-fallback corpus.txt
holds 'it stays' grep -q mine f.arpa.work
rm f.arpa.work
mkdir f.arpa.work
touch f.arpa.work/{arpa.tmp.12.0,position,runs.part,counts.3.part,below.2.tmp.9.1}
expect 0 sentences "$w" lm train -o f.arpa --discount-fallback corpus.txt
same f.arpa want-model.arpa

# An output that would be read.
mkdir in in/sub
cp corpus.txt in/
for out in in/m.arpa in/sub/m.arpa in/new/m.wmlm two/../in/m.arpa "$PWD/in/m.arpa"; do
    expect 2 'it lies in in, all of which is read' "$w" lm train -o "$out" corpus.txt in
done
expect 2 'it lies in \.' env -C in "$w" lm train -o m.arpa .
expect 2 'it lies in in' "$w" corpus build -o in/out in
expect 2 'it lies in in' "$w" corpus hashes build -o in/h in
holds 'nothing is left' test "$(find in | sort | tr '\n' ' ')" = 'in in/corpus.txt in/sub '
expect 0 sentences "$w" lm train -o in/.m/m.arpa --discount-fallback in
same in/.m/m.arpa want-model.arpa
expect 0 sentences "$w" lm train -o in.arpa --discount-fallback in

# Two at once.
restore
"${train[@]}" corpus.jsonl >bg.txt 2>&1 </dev/null &
pid=$!
for _ in $(seq 500); do [ -s m.arpa.lock ] && break || sleep 0.01; done
kill -STOP "$pid"
expect 1 "another run is at work here: process $pid" "${train[@]}" corpus.jsonl
kill -CONT "$pid"
wait "$pid"
holds 'the first one is done' test -s m.arpa
holds 'nothing is left' test ! -e m.arpa.work -a ! -e m.arpa.lock

# Standard input: nothing is kept, and nothing left; a link is followed.
ln -s behind.arpa link.arpa
: >behind.arpa
expect 0 sentences "$w" lm train -o link.arpa --discount-fallback corpus.txt
holds 'the link is still one' test -L link.arpa
same behind.arpa want-model.arpa
"$w" lm train -q -o in.wmlm --discount-fallback - <corpus.txt
same in.wmlm want-model.wmlm
mkfifo fifo
"$w" lm train -o in.arpa --discount-fallback - <fifo >bg.txt 2>&1 &
pid=$!
exec 9>fifo
until [ -d in.arpa.work ] || ! kill -0 "$pid" 2>/dev/null; do :; done
kill -INT "$pid"
cat corpus.txt >&9
exec 9>&-
wait "$pid"
code=$?
holds "it is said that it starts anew: $code, $(cat bg.txt)" test "$code" = 130 -a "$(grep -c 'starts anew' bg.txt)" = 1
holds 'nothing is left' bash -c '! compgen -G "*.work" && ! compgen -G "*.lock"'
summary
