#!/usr/bin/env bash
# The models that stages ask count in --memory: language identification and perplexity keep to it,
# with a hard limit (RLIMIT_DATA) a quarter above that counts every writable byte asked for.
. "${BASH_SOURCE%/*}/../cli/lib.sh"
. "${BASH_SOURCE%/*}/limited.sh"
w=$WETMILL
pieces=$WM_SOURCE_DIR/tests/vectors/sentencepiece/unigram.model
lid=$WM_SOURCE_DIR/samples/lid.176.ftz

# n-gram models of two languages, as text (read into memory) and as files that are mapped
unlimited "$w" corpus build -o text --compression none "$WM_SOURCE_DIR/samples/crawl"
unlimited "$w" lm train --order 3 --discount-fallback --sentencepiece "$pieces" -o de.arpa text
cp de.arpa es.arpa
for of in de es; do
    cp "$pieces" "$of.sp.model"
    unlimited "$w" lm convert "$of.arpa" "$of.lm"
done
bytes=$(stat -c %s de.lm)
holds "the models are large enough to be missed: $bytes bytes" test "$bytes" -gt 4000000

for kind in arpa lm; do
    stages=(-s normalize -s "language:model=$lid:languages=de,es"
        -s "perplexity:sentencepiece=de.sp.model,es.sp.model:lm=de.$kind,es.$kind")
    build=("$w" corpus build -j 2 --max-record 1MiB --compression none "${stages[@]}")
    unlimited "${build[@]}" -o "free-$kind" "$WM_SOURCE_DIR/samples/crawl"
    holds "$kind: documents have a perplexity" grep -q '"perplexity":[0-9]' "free-$kind/corpus_0000.jsonl"
    # least: as much as it says it needs, rounded up
    least=$("${build[@]}" -o none --dry-run "$WM_SOURCE_DIR/samples/crawl" |
        sed -n 's/.*needs --memory \([0-9.]*\)MB.*/\1/p')
    mib=$(awk -v mb="$least" 'BEGIN { print int(mb * 1e6 * 1.01 / 1048576) + 1 }')
    limited "$mib" "${build[@]}" -o "tight-$kind" "$WM_SOURCE_DIR/samples/crawl"
    same "free-$kind/corpus_0000.jsonl" "tight-$kind/corpus_0000.jsonl"
    expect 2 "step corpus needs at least .* the limit is" "${build[@]}" -o never \
        --memory $((mib / 2))MiB "$WM_SOURCE_DIR/samples/crawl"
    holds "$kind: nothing was written" test ! -e never
    echo "$kind: at least $least MB"
    eval "least_$kind=$mib"
done
holds "what is read into memory is counted: $least_arpa MiB with text, $least_lm MiB with mapped models" \
    test "$least_arpa" -gt $((least_lm + bytes / 1048576))
same free-arpa/corpus_0000.jsonl free-lm/corpus_0000.jsonl
summary
