#!/usr/bin/env bash
# Wrong usage: exit 2, one clear line, the nearest right word, nothing touched.
. "${BASH_SOURCE%/*}/lib.sh"
w=$WETMILL

expect 2 'Commands:' "$w"
expect 0 'Commands:' "$w" --help
expect 0 'libarchive' "$w" --version
expect 2 'no command "corps"' "$w" corps
if [ -e /dev/full ]; then
    for words in --help --version 'corpus --help' 'help shards'; do
        expect 1 'standard output: cannot write' bash -c "\"\$0\" $words >/dev/full" "$w"
    done
fi
expect 2 '"": cannot open' "$w" run ''
expect 2 'did you mean "corpus build"' "$w" corpus biuld x
expect 2 'did you mean "corpus head"' "$w" corpos head x
expect 2 'did you mean "generate"' "$w" generat model 'a prompt'
expect 0 'corpus sample ' "$w" corpus --help
expect 0 'shards trace ' "$w" help shards
expect 2 'wants a second word' "$w" shards
expect 0 'corpus hashes merge ' "$w" corpus hashes --help
expect 0 'corpus hashes info ' "$w" help corpus hashes
expect 2 'wants a third word' "$w" corpus hashes
expect 2 'did you mean "corpus hashes merge"' "$w" corpus hashes mege x
expect 2 'unknown option --outptu' "$w" corpus build --outptu x y
expect 2 'did you mean --output' "$w" corpus build --outptu x y
expect 2 'jobs is "many"' "$w" corpus build -j many -o o x
expect 2 'wants a value' "$w" corpus build -o
expect 2 'corpus build wants PATH' "$w" corpus build -o o
expect 2 'wants an output directory' "$w" corpus build x
expect 2 'there is no stage "lenght"' "$w" corpus build -o o -s lenght x
expect 2 'did you mean "length"' "$w" corpus build -o o -s lenght x
expect 2 'line-repeat' "$w" corpus build -o o -s line-repeat:max_share=7 x
expect 2 'stage language: .*model is missing' "$w" corpus build -o o -s language x
expect 2 'no option "max_shrae"' "$w" corpus build -o o -s line-repeat:max_shrae=1 x
expect 2 'did you mean "max_share"' "$w" corpus build -o o -s line-repeat:max_shrae=1 x
expect 2 'hint: known here: .*min_characters' "$w" corpus build -o o -s length:least=1 x
expect 2 'each stage has a -s of its own' "$w" corpus build -o o -s length,normalize x
: >file
expect 2 'file: this is a file, where a directory is wanted' "$w" corpus build -o file file
expect 2 'hint: say split pattern, too' "$w" tokenizer train -o o --pattern . file
expect 2 'takes no "b"' "$w" train a b -o c
expect 2 'wants a tokenizer' "$w" shards build -o o x
expect 1 'No such file' "$w" tokenizer encode -t nowhere
expect 2 'nowhere: no model here: there is no config.json' "$w" generate nowhere prompt
expect 2 'nowhere: no shards here: there is no shards.json' "$w" train nowhere -o o
expect 2 'hint: name one shard, such as nowhere/train_00000' "$w" shards trace nowhere 5
for c in run 'corpus build' 'corpus head' 'corpus sample' stages 'tokenizer train' 'tokenizer encode' \
    'tokenizer decode' 'shards build' 'shards inspect' 'shards verify' 'shards trace' 'shards text' 'lm train' 'lm score' 'lm convert' 'lm cutoffs' \
    'corpus hashes build' 'corpus hashes merge' 'corpus hashes info' train generate; do
    # shellcheck disable=SC2086
    expect 0 'Examples:' "$w" $c --help
done
checks=$((checks + 1))
[ "$("$w" corpus build --help | grep -c -e ' --profile ')" = 1 ] || fail 'an option is listed as often as tables have it'
expect 0 'line-repeat' "$w" stages
expect 0 'max-share' "$w" stages line-repeat
expect 2 'did you mean "line-repeat"' "$w" stages line-repaet
expect 0 '\.SH COMMANDS' "$w" --generate man
"$w" --generate bash >completion && holds 'completion is valid bash' bash -n completion
holds 'nothing was written' test ! -e o

# what is read is not written over
printf '{"text":"a page"}\n' >mine.jsonl && cp mine.jsonl kept.jsonl && ln mine.jsonl same.jsonl
for c in 'corpus hashes build -o mine.jsonl' 'corpus hashes build -o ./same.jsonl' 'lm train -o mine.jsonl' 'lm cutoffs -o mine.jsonl'; do
    # shellcheck disable=SC2086
    expect 2 '(mine|same).jsonl: it is read, and would be written over' "$w" $c absent.jsonl mine.jsonl
done
expect 2 'mine.jsonl: it is read' "$w" lm convert mine.jsonl mine.jsonl
expect 2 'mine.jsonl: it is read' "$w" tokenizer convert mine.jsonl mine.jsonl
same mine.jsonl kept.jsonl
summary
