#!/usr/bin/env bash
# The whole output of profile strict on a small bad crawl, byte for byte: tests/vectors/strict/README
# says what it holds, and what to do if this fails.
WM_SOURCE_DIR=$(cd "${WM_SOURCE_DIR:?}" && pwd) WETMILL=$(realpath "${WETMILL:?}")
. "$WM_SOURCE_DIR/tests/cli/lib.sh"
w=$WETMILL vectors=$WM_SOURCE_DIR/tests/vectors
golden=$vectors/strict/golden

cp -r "$vectors"/strict/{crawl,en.arpa,cutoffs.csv,strict.yaml} .
cp "$vectors/sentencepiece/unigram.model" en.sp.model
cp "$WM_SOURCE_DIR/samples/lid.176.ftz" .
here=corpus.stages.write-jsonl

# build OUT LAYOUT SPLIT OPTION…: the corpus files alone are left in OUT; damaged input: exit 3.
build() {
    local out=$1 layout=$2 split=$3
    shift 3
    expect 3 'documents kept' "$w" run strict.yaml -o "$out" --set "$here.layout=$layout" --set "$here.split=$split" "$@"
    mv "$out" "$out.run" && mkdir "$out" && mv "$out.run"/corpus/*.jsonl "$out" || fail "$out: no output"
}

build wetmill wetmill '[]'
build ccnet ccnet '[language, bucket]'
build minified minified '[language]'
sed '/^Results:/,$d; / at the peak of step /d' err.txt out.txt >report.txt # memory is the run's own

if [ "${GOLDEN-}" = write ]; then
    rm -rf "$golden" && mkdir -p "$golden"
    cp -r wetmill ccnet minified report.txt "$golden"
    exit
fi

for of in wetmill ccnet minified report.txt; do
    checks=$((checks + 1))
    diff -r "$golden/$of" "$of" >diff.txt ||
        fail "$of is not as in $golden: raise a version first, see $vectors/strict/README — $(cut -c -300 diff.txt | head -n 20)"
done

# every record that can be read is there, by another way than the files above
for page in harbour bridge Cafe spec bytes hafen port gavan limani gangkou crlf 'b.example/0' 'b.example/2' 'c.example/0' \
    'd.example/one-line' 'd.example/fr' 'd.example/wrong-length' 'd.example/last'; do
    holds "$page is in the corpus" grep -qF "$page" wetmill/corpus_0000.jsonl
done

# the same for any number of threads and size of memory, and written compressed
build threads wetmill '[]' -j 5
same threads/corpus_0000.jsonl wetmill/corpus_0000.jsonl
build little ccnet '[language, bucket]' -j 1 -m 600MiB --set "$here.split_memory=64KiB"
holds 'little memory' diff -r little ccnet
expect 3 'documents kept' "$w" run strict.yaml -o packed --set "$here.compression=gzip" -j 2
for file in packed/corpus/*.jsonl.gz; do
    name=${file##*/}
    gzip -dc "$file" >unpacked.jsonl
    same unpacked.jsonl "ccnet/${name%.gz}"
done
summary
