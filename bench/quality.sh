#!/usr/bin/env bash
# Quality per minute: recipes trained on one text for the same time (or steps), several seeds, and
# PyTorch with AdamW beside them. Prints bits per byte of the articles that none has seen.
#
#     bench/quality.sh --text FILE --out DIR (--time 10m | --steps N) [OPTION…] [RECIPE…]
#
# RECIPEs are names in --recipes (shell patterns do, too; all of them if none is given): a vocabulary
# and options of `wetmill train`. `wetmill run` makes tokenizer and shards of each vocabulary, without a
# filter; a hash of an article's text decides whether it validates, so all vocabularies have the same
# articles. The text that is scored is all of theirs, each token once, in windows of the context side
# by side. A time is that of the whole training, from start to model written; scoring comes after it.
#
#   --wetmill PROGRAM     default build/release/wetmill
#   --recipes FILE        default bench/quality.recipes
#   --seeds 1,2,3         default 1
#   --threads N           default all processors
#   --dtype bfloat16      for recipes that set none
#   --validate-every 200  steps between points of the curve, of --validation-tokens 65536; they take time
#   --documents N         only the first articles: to try the script; default 0, all
#   --peer TIME           PyTorch too, for that time of steps (or with --steps, as many)
#   --peer-options '…'    of bench/quality_peer.py: --batch 4 --learning-rate 2e-3
#   --python PROGRAM      default /usr/bin/python3; for the environment of a tuned one start the script
#                         by `env`: see bench/trainer.sh
#
# In DIR: data/vocabulary-V (tokenizer, shards), runs/RECIPE.BUDGET.SEED (the model with its
# metrics.jsonl, output, score), results.tsv. What is there is not done again.
set -euo pipefail
here=$(cd "${BASH_SOURCE%/*}" && pwd)
wetmill=build/release/wetmill recipes=$here/quality.recipes text='' out='' time='' steps='' seeds=1
threads=$(nproc) dtype=bfloat16 validate_every=200 validation_tokens=65536 documents=0 peer=''
peer_options='' python=/usr/bin/python3
while [[ ${1-} == --* ]]; do
    case $1 in
    --wetmill | --recipes | --text | --out | --time | --steps | --seeds | --threads | --dtype | \
        --validate-every | --validation-tokens | --documents | --peer | --peer-options | --python)
        name=${1#--}
        declare "${name//-/_}=${2?$1 wants a value}"
        ;;
    *) echo "unknown option $1" >&2 && exit 2 ;;
    esac
    shift 2
done
if [ -z "$text" ] || [ -z "$out" ] || [ -z "$time$steps" ] || { [ -n "$time" ] && [ -n "$steps" ]; }; then
    echo "wanted: --text, --out, and either --time or --steps" >&2 && exit 2
fi
[ -x "$wetmill" ] || { echo "no $wetmill: ninja -C build/release wetmill" >&2; exit 1; }
mkdir -p "$out/data" "$out/runs"
out=$(cd "$out" && pwd) text=$(realpath "$text")
results=$out/results.tsv
budget=${time:-$steps-steps}

# data VOCABULARY: tokenizer and shards; where they are, in $data
data() {
    data=$out/data/vocabulary-$1
    [ "$documents" = 0 ] || data+=-$documents
    [ ! -e "$data/manifest.json" ] || return 0
    cat >"$data.yaml" <<YAML
version: 1
input: {paths: ["$text"]}
corpus: {stages: []}
tokenizer: {vocabulary: $1}
shards: {validation_share: 0.01}
YAML
    "$wetmill" run -q --limit "$documents" -o "$data" "$data.yaml"
}

# number NAME FILE: the last value of a member of JSON in a file
number() { grep -o "\"$1\": *[0-9.e+-]*" "$2" | tail -n 1 | sed 's/.*: *//'; }
now() { date +%s.%N; }
context_of() { # OPTION…: what `wetmill train` takes
    local context=256
    while [ $# -gt 1 ]; do
        [ "$1" != --context ] || context=$2
        shift
    done
    echo "$context"
}

printf '%-28s %5s %9s %12s %9s %9s\n' recipe seed steps tokens seconds bits/byte
# show NAME SEED STEPS TOKENS SECONDS BITS
show() {
    printf '%-28s %5s %9s %12s %9.1f %9.4f\n' "$@"
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$@" >>"$results"
}

# train NAME VOCABULARY SEED OPTION…
train() {
    local name=$1 vocabulary=$2 seed=$3 dir begin took context
    dir=$out/runs/$name.$budget.$seed
    shift 3
    [ ! -e "$dir/score" ] || return 0
    data "$vocabulary"
    context=$(context_of "$@")
    mkdir -p "$dir"
    begin=$(now)
    # a recipe's options stand last, and win
    if ! "$wetmill" train "$data/shards" -o "$dir/model" -j "$threads" ${time:+--time "$time"} \
        ${steps:+--steps "$steps"} --seed "$seed" --dtype "$dtype" --validate-every "$validate_every" \
        --validation-tokens "$validation_tokens" --sample-every 0 --checkpoint-every 0 "$@" >"$dir/output" 2>&1; then
        echo "$name has failed: $(tail -n 1 "$dir/output")"
        return 0
    fi
    took=$(awk -v a="$begin" -v b="$(now)" 'BEGIN {print b - a}')
    "$wetmill" eval "$dir/model" --shards "$data/shards" --stride "$context" -j "$threads" --json \
        >"$dir/score.new" 2>>"$dir/output"
    mv "$dir/score.new" "$dir/score"
    show "$name.$budget" "$seed" "$(number step "$dir/model/metrics.jsonl")" \
        "$(number tokens "$dir/model/metrics.jsonl")" "$took" "$(number bits_per_byte "$dir/score")"
}

peer() { # SEED
    local name=torch dir limit=(--seconds "$peer")
    data 8192
    if [ -n "$steps" ]; then limit=(--steps "$steps") peer=$budget; fi
    [ -z "$peer_options" ] || name+=${peer_options//[^a-z0-9.]/-}
    dir=$out/runs/$name.$peer.$1
    [ ! -e "$dir/score" ] || return 0
    mkdir -p "$dir"
    # shellcheck disable=SC2086 # options
    if ! "$python" -B "$here/quality_peer.py" "$data/shards" "${limit[@]}" --seed "$1" --threads "$threads" \
        --dtype "$([ "$dtype" = bfloat16 ] && echo bf16 || echo f32)" --metrics "$dir/metrics.jsonl" \
        --validation-tokens "$validation_tokens" $peer_options >"$dir/score.new" 2>"$dir/output"; then
        echo "$name has failed: $(tail -n 1 "$dir/output")"
        return 0
    fi
    mv "$dir/score.new" "$dir/score"
    show "$name.$peer" "$1" "$(number steps "$dir/score")" "$(number tokens "$dir/score")" \
        "$(number seconds "$dir/score")" "$(number bits_per_byte "$dir/score")"
}

wanted() { # NAME PATTERN…
    local name=$1 pattern
    shift
    [ $# -gt 0 ] || return 0
    for pattern in "$@"; do
        # shellcheck disable=SC2053 # a pattern
        [[ $name != $pattern ]] || return 0
    done
    return 1
}

for seed in ${seeds//,/ }; do
    while read -r name vocabulary options <&3; do
        if [[ $name == '' || $name == \#* ]] || ! wanted "$name" "$@"; then continue; fi
        # shellcheck disable=SC2086 # options
        train "$name" "$vocabulary" "$seed" $options
    done 3<"$recipes"
    [ -z "$peer" ] || peer "$seed"
done

printf '\nall there is in %s, the best first: median of the seeds, least, most\n' "$results"
sort -t$'\t' -k1,1 -k6,6g "$results" | awk -F'\t' '
    function tell() { if (n) printf "%-28s %.4f  %.4f  %.4f  (%d seeds, %.2f M tokens)\n",
        name, v[int((n + 1) / 2)], v[1], v[n], n, tokens / 1e6 }
    $1 != name { tell(); n = 0; name = $1 }
    { v[++n] = $6; tokens = $4 }
    END { tell() }' | sort -k2,2g
