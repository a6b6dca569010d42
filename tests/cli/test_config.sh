#!/usr/bin/env bash
# Configuration errors: file:line:column, the line with a caret, what was meant; exit 2.
. "${BASH_SOURCE%/*}/lib.sh"
w=$WETMILL
yaml() { printf '%b' "$1" >c.yaml; }

expect 2 'nowhere.yaml' "$w" run nowhere.yaml
yaml 'output: o\n'
expect 2 'no version' "$w" run c.yaml
yaml 'version: 2\n'
expect 2 'c.yaml:1:10: .*version 1' "$w" run c.yaml
yaml 'version: 1\noutput: o\ntokenizer: {vocabulry: 300}\n'
expect 2 'c.yaml:3:13' "$w" run c.yaml
expect 2 'did you mean .*vocabulary' "$w" run c.yaml
expect 2 '\^' "$w" run c.yaml
yaml 'version: 1\noutput: o\ntokenizer: {vocabulary: lots}\n'
expect 2 'c.yaml:3:25: .*vocabulary is "lots"' "$w" run c.yaml
yaml 'version: 1\noutput: o\ntokenizer: {vocabulary: 1}\n'
expect 2 'c.yaml:3:25: .*vocabulary' "$w" run c.yaml
yaml 'version: 1\nversion: 1\n'
expect 2 'c.yaml:2:1: .*twice|duplicate' "$w" run c.yaml
yaml 'version: 1\ninput: &a {paths: [x]}\n'
expect 2 'c.yaml:2:8: .*anchor' "$w" run c.yaml
yaml 'version: 1\ninput: {paths: [x]\n'
expect 2 'c.yaml:' "$w" run c.yaml
yaml 'version: 1\noutput: o\ninput: {paths: [x.wet]}\ncorpus:\n  stages:\n    - nromalize\n'
expect 2 'c.yaml:6:7: .*no stage "nromalize"' "$w" run c.yaml
expect 2 'did you mean "normalize"' "$w" run c.yaml
yaml 'version: 1\noutput: o\ninput: {paths: [x.wet]}\ncorpus:\n  stages:\n    - language\n'
expect 2 'c.yaml:6:7: model is missing' "$w" run c.yaml
yaml 'version: 1\noutput: o\ninput: {paths: [x.wet]}\ncorpus: {stages: [write-jsonl, normalize]}\n'
expect 2 'write-jsonl must be the last' "$w" run c.yaml
yaml 'version: 1\noutput: o\ninput: {paths: [x.wet]}\ntrain: {}\n'
expect 2 'step train needs step shards' "$w" run c.yaml
yaml 'version: 1\noutput: o\ncorpus:\n'
expect 2 'no input' "$w" run c.yaml
yaml 'version: 1\noutput: o\ninput: {paths: [absent.wet]}\ncorpus:\n'
expect 2 'absent.wet' "$w" run c.yaml
yaml 'version: 1\ninput: {paths: [x]}\ncorpus:\n'
expect 2 'no output' "$w" run c.yaml
yaml 'version: 1\noutput: o\ninput: {paths: [x]}\ncorpus:\ntrain: {width: 10, heads: 3}\n'
expect 2 'width|needs step' "$w" run c.yaml
expect 2 'unknown|no option|vocabularies' "$w" run c.yaml --set tokenizer.vocabularies=3
holds 'nothing was written' test ! -e o

record http://a/ 'one line of text' >x.wet
yaml 'version: 1\noutput: o\ninput: {paths: [x.wet]}\ncorpus: {stages: [normalize]}\n'
expect 0 'min_lines|version: 1' "$w" run c.yaml --print-config
cp out.txt printed.yaml
printf 'profile: ccnet\n' | cat c.yaml - >p.yaml
expect 0 '^  profile: ccnet' "$w" run p.yaml --print-config
expect 0 '^  profile: strict' "$w" run p.yaml --profile strict --print-config
printf 'jobs: 3\n' | cat c.yaml - >p.yaml
expect 0 '^jobs: 0' "$w" run p.yaml -j 0 --print-config
expect 0 'corpus +archives' "$w" run c.yaml --explain
holds 'explaining writes nothing' test ! -e o
expect 0 'corpus' "$w" run printed.yaml --dry-run
mkdir other && echo precious >other/file
expect 2 'no result of step corpus' "$w" corpus build -o other x.wet
holds 'files of others stay' test -e other/file
yaml 'version: 1\noutput: untouched\ninput: {paths: [in.wet]}\ncorpus:\ntokenizer: {split: pattern, pattern: "(("}\n'
record http://a/1 'some text' >in.wet
expect 2 'missing closing parenthesis' "$w" run c.yaml
holds 'a bad pattern is found before anything is done' test ! -e untouched
summary
