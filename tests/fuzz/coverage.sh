#!/usr/bin/env bash
# Which share of its parser's lines each fuzz target runs when it replays its seeds: the committed
# ones, those cut out of the crawl files if they are there, and DIR/TARGET if --corpus DIR is given.
# A target names its parser's files in a comment that starts with "covers:"; behind "without" stand
# functions of the file before it that do not read. Needs the tests of the preset coverage to be built.
# A target fails below 80 %.
# coverage.sh [--corpus DIR] [--missed] [TARGET…]; --missed lists the lines that did not run.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath "${WETMILL_COVERAGE_BUILD:-build/coverage}")
least=80 missed= more=
while [ $# -gt 0 ]; do
    case $1 in
    --corpus) more=$(realpath "$2"); shift 2 ;;
    --missed) missed=1; shift ;;
    *) break ;;
    esac
done
. tests/gcov_lines.sh

[ $# -gt 0 ] || set -- $(ls tests/fuzz/fuzz_*.c | sed -E 's/.*fuzz_(.*)\.c/\1/')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export build work least missed more top=$PWD
export -f gcov_lines
tests/fuzz/seeds.sh "$work/seeds"
mkdir "$work/here"

# One target: a line of shares, under "ok" or "FAILED"; and the lines that did not run, if asked for.
cover_one() {
    local target=$1 status=ok file files notes=() mine=$work/$1.files
    # "FILE.c" or "-FILE.c:FUNCTION", one a line
    sed -n '/covers:/,/\*\//p' "tests/fuzz/fuzz_$target.c" | tr ' ' '\n' | awk '
        /\.c$/ { file = $1; print file; without = 0 }
        without && /[a-z]/ { print "-" file ":" $1 }
        $1 == "without" { without = 1 }' >"$mine"
    files=$(grep -v '^-' "$mine" | xargs)
    for file in $files; do
        notes+=("$build/CMakeFiles/wm_${file%%/*}_objects.dir/$file.gcno")
    done
    [ ${#notes[@]} -gt 0 ] || { echo "FAILED  $target says not what it covers"; return; }
    mkdir -p "$work/counts/$target"
    (cd "$work/here" && GCOV_PREFIX=$work/counts/$target "$build/tests/fuzz_$target" "$top/tests/fuzz/corpus/$target" \
        "$work/seeds/$target" ${more:+"$more/$target"}) >"$work/$target.log" 2>&1 || status=FAILED
    [ $status = ok ] || tail -n 5 "$work/$target.log" | sed 's/^/    /'
    gcov_lines "$work/counts/$target" "${notes[@]}" >"$work/$target.lines"
    rm -rf "${work:?}/counts/$target"
    awk -v target="$target" -v least="$least" -v missed="$missed" -v status=$status '
        NR == FNR { if (sub(/^-/, "")) without[$1]; else file[$1]; next }
        !($1 in file) || ($1 ":" $4) in without { next }
        { lines[$1]++; run[$1] += $3 > 0; all++; all_run += $3 > 0
          if (missed && !$3) print "    " $1 ":" $2, $4 }
        END {
            if (!all || 100 * all_run < least * all) status = "FAILED"
            printf "%-7s %-16s %5.1f %% of %4d lines ", status, target, all ? 100 * all_run / all : 0, all
            for (f in lines) printf " %s %.0f", f, 100 * run[f] / lines[f]
            print ""
        }' "$mine" "$work/$target.lines"
}
export -f cover_one
printf '%s\n' "$@" | xargs -P "$(nproc)" -I '{}' bash -c 'cover_one {}' | tee "$work/results"
failed=$(grep -c '^FAILED' "$work/results" || true)
echo "$(($# - failed)) passed, $failed failed"
[ "$failed" = 0 ]
