#!/usr/bin/env bash
# Runs fuzz targets of the preset fuzz, each from its committed seeds (tests/fuzz/corpus), those cut
# out of the crawl files (seeds.sh) and what earlier runs found (build/fuzz/found/TARGET). An input
# that crashes, leaks, takes over 20 s or over 2 GiB fails the target and stays in build/fuzz/failures.
# run.sh [--seconds S] [--jobs N] [--build DIR] [TARGET…]; 600 seconds each if not said, as many at
# once as there are processors, all targets if none is named. DIR: of another preset, coverage.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=600 jobs=$(nproc) build=$PWD/build/fuzz
while :; do
    case ${1-} in
    --seconds) seconds=$2 ;;
    --jobs) jobs=$2 ;;
    --build) build=$(realpath "$2") ;;
    *) break ;;
    esac
    shift 2
done
[ $# -gt 0 ] || set -- $(ls tests/fuzz/fuzz_*.c | sed -E 's/.*fuzz_(.*)\.c/\1/')
export build seconds top=$PWD
export GCOV_PREFIX=$build/uncounted # the preset coverage counts what the tests run
mkdir -p "$build/failures" "$build/logs" "$build/work"
tests/fuzz/seeds.sh "$build/seeds"

# Of a target: "ok" or "FAILED", its name, and libFuzzer's last words about how far it came.
fuzz_one() {
    local target=$1 dict=$top/tests/fuzz/$1.dict log=$build/logs/$1.log status=0
    mkdir -p "$build/found/$target" "$build/seeds/$target"
    cd "$build/work"
    "$build/tests/fuzzer_$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
        -max_len=65537 -print_final_stats=1 -artifact_prefix="$build/failures/$target-" \
        $([ ! -f "$dict" ] || echo "-dict=$dict") "$build/found/$target" \
        "$top/tests/fuzz/corpus/$target" "$build/seeds/$target" >"$log" 2>&1 </dev/null || status=$?
    printf '%-7s %-16s %s\n' "$([ $status = 0 ] && echo ok || echo FAILED)" "$target" \
        "$(grep -oE 'cov: [0-9]+' "$log" | tail -n 1), $(awk '/number_of_executed_units/ { print $2 }' "$log") inputs"
    [ $status = 0 ] || tail -n 40 "$log" | sed 's/^/    /'
}
export -f fuzz_one
results=$(mktemp)
trap 'rm -f "$results"' EXIT
printf '%s\n' "$@" | xargs -P "$jobs" -I '{}' bash -c 'fuzz_one {}' | tee "$results"
failed=$(grep -c '^FAILED' "$results" || true)
echo "$(($# - failed)) passed, $failed failed"
[ "$failed" = 0 ]
