#!/usr/bin/env bash
# The windows of zstd frames and the dictionaries of xz blocks count in --memory wherever they stand:
# in a later frame, in a tar, in a pipe. What does not fit is refused with what would do, and with that
# it is read; a hard limit (RLIMIT_DATA) a quarter above counts every writable byte asked for.
. "${BASH_SOURCE%/*}/../cli/lib.sh"
. "${BASH_SOURCE%/*}/limited.sh"
w=$WETMILL
if ! zstd --version >/dev/null 2>&1 || ! xz --version >/dev/null 2>&1; then
    echo "skipped: there is no zstd or no xz"
    exit 77
fi

# 12 MB: more than is held back of a frame
awk 'BEGIN {
    srand(3);
    for (page = 0; page < 2000; page++) {
        printf "{\"url\":\"http://a/%d\",\"text\":\"", page;
        for (word = 0; word < 1100; word++) printf "%c%c%d ", 97 + int(rand() * 26), 97 + int(rand() * 26), int(rand() * 900);
        print "\"}";
    }
}' >part.jsonl
zstd -q -1 --long=27 <part.jsonl >long.zst
zstd -q -1 <part.jsonl >short.zst
cat short.zst long.zst >second.jsonl.zst
mkdir in
cp long.zst in/entry.jsonl.zst
tar -C in -cf entry.tar entry.jsonl.zst
zstd -q -1 --long=27 <entry.tar >double.tar.zst
xz -0 --lzma2=preset=0,dict=64MiB -c part.jsonl >in/entry.jsonl.xz
tar -C in -cf dictionary.tar entry.jsonl.xz

build=("$w" corpus build -j 2 --max-record 1MiB --compression none)
limited_in() { # FILE ARGUMENT MIB NAME: under a hard limit, FILE as standard input
    local code
    (ulimit -d $(($3 * 1280)) && exec "${build[@]}" -o "$4" --memory "$3MiB" "$2") \
        >out.txt 2>err.txt <"$1"
    code=$?
    return $code
}
for kind in second.jsonl.zst entry.tar double.tar.zst dictionary.tar stdin; do
    from=/dev/null to=$kind
    if [ $kind = stdin ]; then from=long.zst to=-; fi
    "${build[@]}" -o "free-$kind" "$to" <$from >out.txt 2>err.txt || fail "$kind: $(head -c 400 err.txt)"
    least=$("${build[@]}" -o none --dry-run "$to" <$from | sed -n 's/.*needs --memory \([0-9.]*\)MB.*/\1/p')
    mib=$(awk -v mb="$least" 'BEGIN { print int(mb * 1e6 * 1.01 / 1048576) + 1 }')
    limited_in $from $to "$mib" "tight-$kind"
    code=$?
    holds "$kind: $mib MiB are too little (exit $code)" test $code = 1
    holds "$kind: why" grep -Eq -- "$to: .*(zstd frame|xz block) at byte [0-9]+ needs a window of (128|64) MiB, --memory leaves [0-9]+ MiB" err.txt
    enough=$(sed -n 's/.*--memory \([0-9]*\)MiB would do.*/\1/p' err.txt)
    echo "$kind: $mib MiB at least, $enough MiB would do"
    if [ $kind = entry.tar ]; then entry=$enough; fi
    limited_in $from $to "${enough:-1}" "tight-$kind"
    code=$?
    holds "$kind: $enough MiB do (exit $code): $(head -c 400 err.txt)" test $code = 0
    same "free-$kind/corpus_0000.jsonl" "tight-$kind/corpus_0000.jsonl"
done

# the tokenizer's trainer takes what is left: what would do is for both
train=("$w" tokenizer train -o tok -j 1 --vocabulary 600 --max-record 1MiB)
expect 1 'needs a window of 128 MiB' "${train[@]}" --memory 400MiB second.jsonl.zst
enough=$(sed -n 's/.*--memory \([0-9]*\)MiB would do.*/\1/p' err.txt)
limited "${enough:-1}" "${train[@]}" second.jsonl.zst
lm=("$w" lm train --discount-fallback --order 2 -o model.arpa)
expect 1 'needs a window of 128 MiB' "${lm[@]}" --memory 96MiB long.zst
enough=$(sed -n 's/.*--memory \([0-9]*\)MiB would do.*/\1/p' err.txt)
limited "${enough:-1}" "${lm[@]}" long.zst

# the window of one file is not kept for the next ones, of whatever format
tar -C in -cf many.tar entry.jsonl.zst entry.jsonl.xz
unlimited "${build[@]}" -o free-many many.tar
limited "$entry" "${build[@]}" -o tight-many many.tar
same free-many/corpus_0000.jsonl tight-many/corpus_0000.jsonl
summary
