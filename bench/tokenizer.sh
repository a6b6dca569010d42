#!/usr/bin/env bash
# Encoding here and elsewhere, one thread, each a first pass over the same texts: MB/s, ratios, and
# whether the ids are the same.
#
#     bench/tokenizer.sh BUILD-DIRECTORY TOKENIZER.tiktoken TEXT…
#
# TEXT is a .jsonl file with a `text`, or plain text. Peers are taken from $PEERS/node_modules
# (npm install tokenizers tiktoken ai-tokenizer) and from $RUST_BPE, a program that prints ids as
# bench_tokenizer -i writes them: RUST_BPE IDS TEXT…. PEER_BYTES (default 20000000) of the texts go
# to peers, which are slower; the ids are compared over those.
set -euo pipefail
here=$(cd "${BASH_SOURCE%/*}" && pwd)
build=$1 ranks=$2
shift 2
ours=$build/bench/bench_tokenizer
[ -x "$ours" ] || { echo "no $ours: ninja -C $build bench_tokenizer" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "== wetmill, everything"
"$ours" -n 5 "$ranks" "$@" | tee "$work/all"
cut_texts=$work/cut.jsonl
(set +o pipefail && cat -- "$@" 2>/dev/null | head -c "${PEER_BYTES:-20000000}" | sed '$d' >"$cut_texts")
case $1 in *.jsonl) ;; *) mv "$cut_texts" "$work/cut.txt"; cut_texts=$work/cut.txt ;; esac
echo "== wetmill, what peers get"
"$ours" -n 5 -i "$work/ids" "$ranks" "$cut_texts" | tee "$work/ours"
speed=$(awk '$1 == "encode" {print $2}' "$work/ours")

hf=
if [ -x "$build/wetmill" ]; then # what Hugging Face's reads
    "$build/wetmill" tokenizer convert "$ranks" "$work/hf" && hf=$work/hf/tokenizer.json
fi
if command -v node >/dev/null && [ -d "${PEERS:-.}/node_modules" ]; then
    (cd "$PEERS" && cp "$here/tokenizer.mjs" ./wetmill-bench.mjs &&
        trap 'rm -f wetmill-bench.mjs' EXIT &&
        node ./wetmill-bench.mjs "$ranks" "$cut_texts" "$work/ids" "$speed" "$hf")
else
    echo "npm peers skipped: no node, or no \$PEERS/node_modules"
fi
if [ -n "${RUST_BPE:-}" ]; then
    begin=$(date +%s.%N)
    "$RUST_BPE" "$work/rust" "$cut_texts"
    awk -v a="$begin" -v b="$(date +%s.%N)" -v n="$(wc -c <"$cut_texts")" -v s="$speed" \
        'BEGIN {r = n / 1e6 / (b - a); printf "%-16s %8.1f MB/s  we are %.1f times that\n", "rust", r, s / r}'
    cmp "$work/ids" "$work/rust" && echo "same ids"
fi
