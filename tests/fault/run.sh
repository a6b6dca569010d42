#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every call that can fail does, one by one: see drive.c. Builds build/fault first.
#
#   tests/fault/run.sh                     300 faults, and the whole-run ones below
#   tests/fault/run.sh --sample N --seed S other ones
#   tests/fault/run.sh --all               all of them: 21,000, each 70 ms of a processor or so
#   tests/fault/run.sh --all --job lm      all of one command of the list `jobs`
#   tests/fault/run.sh --job run --case malloc:0123456789abcdef:1:12    one, with its files kept
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source=$(dirname "$(dirname "$here")")
many=300 seed=1 job='' case=''
while [ $# -gt 0 ]; do
    case $1 in
    --all) many=all ;;
    --sample) many=$2 && shift ;;
    --seed) seed=$2 && shift ;;
    --job) job=$2 && shift ;;
    --case) case=$2 && shift ;;
    *) sed -n '4,9s/^# *//p' "$0" >&2 && exit 2 ;;
    esac
    shift
done

build=$source/build/fault
if [ -z "${WETMILL-}" ]; then
    (cd "$source" && cmake --preset fault >/dev/null && cmake --build --preset fault --target wetmill) || exit
    WETMILL=$build/wetmill
fi
WETMILL=$(realpath "$WETMILL")
# in memory: the program waits for the disk hundreds of times in each run
if [ -z "${TMPDIR-}" ] && [ -w /dev/shm ]; then TMPDIR=/dev/shm; fi
work=$(mktemp -d "${TMPDIR:-/tmp}/wetmill-fault.XXXXXX")
trap '[ -n "$case" ] && echo "files: $work" || rm -rf "$work"' EXIT

${CC:-cc} -std=gnu11 -O2 -g -fPIC -shared -fno-omit-frame-pointer -fno-optimize-sibling-calls -Wall -Wextra \
    -o "$work/inject.so" "$here/inject.c" -ldl
${CC:-cc} -std=gnu11 -O1 -g -Wall -Wextra -o "$work/drive" "$here/drive.c"

# ---- input, and what earlier steps make of it ----
vectors=$source/tests/vectors
mkdir -p "$work/in/formats" "$work/base"
cd "$work/in"
cp -r "$vectors"/strict/{crawl,en.arpa,cutoffs.csv} "$here/job.yaml" .
cp "$vectors/sentencepiece/unigram.model" en.sp.model
cp "$vectors/ngram/tiny.trie" .
cp "$source/samples/lid.176.ftz" .
head -n 30 "$vectors/ngram/sentences.txt" >text.txt
for i in 1 2 3 4 5 6 7 8 9; do # an odd number: half of the file is no whole lines
    printf '{"text":"page %d has some words to read\\nand another line, number %d\\nand one they share","url":"http://a.example/%d"}\n' \
        "$i" $((i * 7919)) "$i"
done >formats/docs.jsonl
head -c 6000 < <(gzip -dc crawl/a.warc.wet.gz) >formats/plain.warc.wet
gzip -nc formats/docs.jsonl >formats/one.jsonl.gz
xz -kc formats/docs.jsonl >formats/two.jsonl.xz
zstd -qc formats/docs.jsonl >formats/three.jsonl.zst
tar --sort=name --mtime=@0 --owner=0 --group=0 -cJf formats/more.tar.xz crawl/a.warc.wet.gz formats/docs.jsonl

quietly() { "$WETMILL" "$@" >"$work/log" 2>&1 || [ $? = 3 ] || { cat "$work/log" >&2 && exit 1; }; }
cd "$work/base"
# relative paths as they are where the commands run: DIR/NAME/job
mkdir -p "$work/case/job" && ln -s ../in ../base "$work/case/" && cd "$work/case/job"
quietly run ../in/job.yaml -o out -j 2
cp -a out ../base/run
cp -a out ../base/damaged
printf x | dd of=../base/damaged/tokenizer/tokenizer.json bs=1 seek=9 conv=notrunc status=none
for name in a b; do
    file=$(ls ../in/crawl/$name*)
    quietly corpus hashes build -o hashes -s normalize "$file"
    mv hashes ../base/$name.hashes
done
quietly corpus build -o ../base/minified/corpus --profile ccnet --layout minified ../in/crawl
quietly train ../base/run/shards -o ../base/llama --architecture llama --layers 1 --heads 2 --width 16 --context 16 \
    --batch 2 --steps 2
"$WETMILL" tokenizer encode -t ../base/run/tokenizer --unit lines ../in/text.txt >../base/ids.txt
quietly lm convert ../in/en.arpa ../base/en.lm
cd "$work"

arguments=("$WETMILL" "$work/inject.so" "$work" "$here/jobs" "$here/allowed" "$many" "$seed" "$job")
[ -z "$case" ] || arguments+=("$case")
status=0
"$work/drive" "${arguments[@]}" || status=1
[ -n "$case" ] || [ -n "$job" ] || "$here/whole.sh" "$WETMILL" "$work" || status=1
exit $status
