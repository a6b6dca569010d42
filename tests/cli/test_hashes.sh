#!/usr/bin/env bash
# corpus hashes: a second crawl against the saved hashes of the first is both crawls at once.
. "${BASH_SOURCE%/*}/lib.sh"
w=$WETMILL

letters=abcdefghijklmnop
letters() { printf %s "${letters:$1 / 16:1}${letters:$1 % 16:1}"; } # digits are all the same to the stage

# crawl NAME SEED: pages that share lines with each other and with those of other seeds.
crawl() {
    local i j
    for i in {1..40}; do
        local text="Menu of all pages"
        for j in {1..6}; do
            text+=$'\n'"Line $(letters $(((i * $2 + j * j) % 211)))$(letters $((i * j * $2 % 3))) of a page"
            [ $((j % 3)) = 0 ] && text+=$'\n'
        done
        record "http://$1/$i" "$text"
    done | gzip >"$1.wet.gz"
}
crawl a 3
crawl b 7
crawl c 11

# what FILE…: the documents, without where they stand.
what() { sed -E 's/,"(key|member_offset|member_length|offset|path|file)":(\[[^]]*\]|"[^"]*"|[0-9]+)//g' "$@"; }

for options in '' ':min_line=12' ':profile=ccnet:scope=all'; do
    dedup=paragraph-dedup$options
    [ -z "$options" ] && build=() || build=(-s "$dedup")
    rm -rf a.hashes b.hashes
    expect 0 'hashes of the lines of 40 documents' "$w" corpus hashes build -o a.hashes -s normalize "${build[@]}" a.wet.gz
    [ ! -e a.hashes.work ] || fail "work is left behind"
    holds 'quiet build' "$w" corpus hashes build -q -o b.hashes -s normalize "${build[@]}" b.wet.gz -j 3
    expect 0 '[0-9]+ hashes' "$w" corpus hashes merge -o ab.hashes a.hashes b.hashes
    "$w" corpus hashes build -q -o ab2.hashes -s normalize "${build[@]}" a.wet.gz b.wet.gz
    same ab.hashes ab2.hashes
    one="$dedup:keep=first" two="$dedup:keep=first:known=a.hashes" three="$dedup:keep=first:known=ab.hashes"
    [ -z "$options" ] && one="paragraph-dedup:keep=first" two="paragraph-dedup:keep=first:known=a.hashes" three="paragraph-dedup:keep=first:known=a.hashes,b.hashes"
    "$w" corpus build -q -o - -s normalize -s "$one" a.wet.gz >a.jsonl
    "$w" corpus build -q -o - -s normalize -s "$two" b.wet.gz >b.jsonl
    "$w" corpus build -q -o - -s normalize -s "$three" c.wet.gz >c.jsonl
    "$w" corpus build -q -o - -s normalize -s "$one" a.wet.gz b.wet.gz c.wet.gz >all.jsonl
    what a.jsonl b.jsonl c.jsonl >parts.txt
    what all.jsonl >all.txt
    same parts.txt all.txt
    checks=$((checks + 1))
    [ -s b.jsonl ] && [ -s c.jsonl ] && ! cmp -s a.jsonl all.jsonl || fail "nothing was compared"
done

# a set says what it is; another kind is refused, and both are named
expect 0 '^profile +ccnet' "$w" corpus hashes info a.hashes
expect 0 '^hash +sha1-8' "$w" corpus hashes info a.hashes
expect 2 'a.hashes: its hashes are sha1-8 of ccnet-dedup in profile ccnet, Unicode 14.0; wanted are xxh3-64' \
    "$w" corpus build -o no -s paragraph-dedup:known=a.hashes b.wet.gz
"$w" corpus hashes build -q -o strict.hashes a.wet.gz
mkdir mine.work
echo mine >mine.work/notes
expect 2 'mine.work: .*notes is not of it' "$w" corpus hashes build -o mine a.wet.gz
holds "somebody else's stays" grep -q mine mine.work/notes
rm mine.work/notes
mkdir -p mine.work/{commits,parts,rejects,runs,scratch,tables}
expect 0 hashes "$w" corpus hashes build -o mine a.wet.gz
same mine strict.hashes
expect 0 '^unicode +15.0' "$w" corpus hashes info strict.hashes
expect 2 'profile strict.*wanted.*profile ccnet' "$w" corpus hashes merge -o no a.hashes strict.hashes
expect 2 'strict.hashes' "$w" corpus hashes build -o no -s paragraph-dedup:profile=ccnet:known=strict.hashes a.wet.gz
[ ! -e no ] || fail "something was written"

# --profile is that of the source as well: to cc_net titles are no lines of the text
for i in a b c; do
    body=$(printf 'Title %s\nline %s\nmenu' $i $i)
    printf 'WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: http://%s/\r\nWARC-Date: 2019-01-01T00:00:00Z\r\n' $i
    printf 'WARC-Record-ID: <urn:uuid:%s>\r\nWARC-Refers-To: <urn:uuid:r>\r\nWARC-Block-Digest: sha1:%s\r\n' $i $i
    printf 'Content-Type: text/plain\r\nContent-Length: %s\r\n\r\n%s\n\r\n\r\n' $((${#body} + 1)) "$body"
done >titles.wet
expect 0 '^4 hashes of the lines of 3' "$w" corpus hashes build -o whole.hashes --profile ccnet titles.wet
expect 0 '^7 hashes of the lines of 3' "$w" corpus hashes build -o stage.hashes -s paragraph-dedup:profile=ccnet titles.wet

# damage, and what is no set
for at in 3 9 20 50 70 76 84 92 100; do
    cp a.hashes bad.hashes
    printf '\377' | dd of=bad.hashes bs=1 seek=$at conv=notrunc status=none
    expect '[12]' 'bad.hashes' "$w" corpus hashes info bad.hashes
done
head -c 300 a.hashes >bad.hashes
expect 1 'bad.hashes.*size' "$w" corpus hashes info bad.hashes
expect 1 'no hash set' "$w" corpus hashes info b.wet.gz
expect 2 '-o FILE' "$w" corpus hashes build a.wet.gz
expect 2 'rejects is of a corpus' "$w" corpus hashes build -o no --rejects r a.wet.gz
expect 2 'comes after paragraph-dedup' "$w" corpus hashes build -o no -s paragraph-dedup -s length a.wet.gz

# what was skipped is said
head -c -99 b.wet.gz >cut.wet.gz
expect 3 '^cut.wet.gz: record [0-9]+ at byte [0-9]+: the file ends inside a gzip member' "$w" corpus hashes build -o cut.hashes cut.wet.gz
mkdir closed && cp b.wet.gz closed/ && : >closed/none.wet.gz
expect 3 '^closed/none.wet.gz: ' "$w" corpus hashes build -o cut.hashes closed

# an empty set is a set
record http://x/ '' | gzip >empty.wet.gz
"$w" corpus hashes build -q -o empty.hashes -s length:min_characters=5 empty.wet.gz
expect 0 '^hashes +0' "$w" corpus hashes info empty.hashes
expect 0 'hashes$' "$w" corpus hashes merge -o ab2.hashes empty.hashes strict.hashes
same ab2.hashes strict.hashes
summary
