#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A run writes manifest.json and a copy of its configuration, config.yaml, into its output directory: never
# over files of that name that are somebody's own.
. "$WM_SOURCE_DIR/tests/cli/lib.sh"

record "http://a.example/1" "a page with some words to read" >a.wet

# config OUTPUT: a configuration that somebody wrote.
config() {
    printf '%s\n' '# mine' 'version: 1' "output: $1" 'input: {paths: [a.wet]}' 'corpus: {stages: [normalize]}'
}

# refused PATTERN COMMAND…: exit code 2, and every file here is what it was.
files() { find . -name out.txt -o -name err.txt -o -name '*.list' -o -type f -print | sort | xargs sha256sum; }
refused() {
    files >before.list
    expect 2 "$@"
    grep -q '^ *hint: ' err.txt || fail "no hint: $(cat err.txt)"
    files >after.list
    same before.list after.list
}

# The configuration itself, by its name, by another one, and through a link.
config . >config.yaml
refused 'config.yaml: the configuration stands where its copy' "$WETMILL" run config.yaml
refused 'the configuration stands where its copy' "$WETMILL" run "$PWD/./config.yaml" --verify
refused 'the configuration stands where its copy' "$WETMILL" run config.yaml --explain
ln config.yaml crawl.yaml
refused 'the configuration stands where its copy' "$WETMILL" run crawl.yaml
rm crawl.yaml
expect 0 . "$WETMILL" run config.yaml -o elsewhere
holds "it is not touched" grep -q '^# mine' config.yaml

# Somebody's files, whatever they are.
config out >job.yaml
for name in config.yaml manifest.json; do
    for text in '' 'a: b' '{"format": 1, "name": "app"}' "$(config x)" "$(printf '\001\377')"; do
        rm -rf out && mkdir -p out/log out/work
        printf '%s' "$text" >"out/$name"
        refused "out/$name: .*did not write" "$WETMILL" run job.yaml
        refused "out/$name: .*did not write" "$WETMILL" run job.yaml --verify
    done
    rm -rf out && mkdir -p "out/$name"
    refused "out/$name: .*did not write" "$WETMILL" run job.yaml
done
rm -rf out && mkdir out
"$WETMILL" run job.yaml --print-config >out/config.yaml
refused 'out/config.yaml: .*did not write' "$WETMILL" run job.yaml

# Our own: again, changed, after a stop before the manifest, and from the copy itself.
rm -rf out
expect 0 'corpus +done' "$WETMILL" run job.yaml
expect 0 'corpus +up to date' "$WETMILL" run job.yaml
expect 0 . "$WETMILL" run job.yaml --set corpus.stages='[normalize, length: {min_characters: 1}]'
expect 0 . "$WETMILL" run job.yaml
cp -r out whole
rm out/manifest.json
expect 0 'corpus +up to date' "$WETMILL" run job.yaml
holds "the same again" diff -r -x log whole out
rm -r out/corpus out/manifest.json
expect 0 'corpus +done' "$WETMILL" run job.yaml
holds "the same again" diff -r -x log whole out

# Among results: with --verify what may be damaged is replaced, and only then.
for name in config.yaml manifest.json; do
    echo 'a: b' >out/$name
    refused "out/$name: .*did not write" "$WETMILL" run job.yaml
    grep -q 'hint: --verify replaces' err.txt || fail "no word of --verify: $(cat err.txt)"
    expect 0 'corpus +up to date' "$WETMILL" run job.yaml --verify
    holds "the same again" diff -r -x log whole out
done

# The copy as the configuration: paths start where it stands now.
mkdir own && cp a.wet own && config . >own/crawl.yaml
expect 0 'corpus +done' "$WETMILL" run own/crawl.yaml
cp own/config.yaml copy.yaml
expect 0 'corpus +up to date' "$WETMILL" run own/config.yaml -o own
same copy.yaml own/config.yaml
expect 0 . "$WETMILL" run own/config.yaml -o own --set corpus.stages='[normalize, length: {min_characters: 1}]'
sed -i 's/^limit: .*/limit: 7/' own/config.yaml
holds "a value was changed" grep -q '^limit: 7' own/config.yaml
expect 0 . "$WETMILL" run own/config.yaml -o own
echo '# a note of mine' >>own/config.yaml
refused 'own/config.yaml: the configuration stands where its copy' "$WETMILL" run own/config.yaml -o own
refused 'own/config.yaml: the configuration stands where its copy' "$WETMILL" run own/config.yaml -o own --verify
summary
