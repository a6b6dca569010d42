#!/usr/bin/env bash
# Which share of its parser's lines each fuzz target runs when it replays its seeds: the committed
# ones, those cut out of the crawl files if they are there, and DIR/TARGET if --corpus DIR is given.
# A target names its parser's files in a comment that starts with "covers:"; behind "without" stand
# functions of the file before it that do not read. Needs the fuzz targets of the preset coverage.
# Fails below 80 %.
# coverage.sh [--corpus DIR] [--missed] [TARGET…]; --missed lists the lines that did not run.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath "${WETMILL_COVERAGE_BUILD:-build/coverage}")
least=80 missed= more=
while [ $# -gt 0 ]; do
    case $1 in
    --corpus) more=$2; shift 2 ;;
    --missed) missed=1; shift ;;
    *) break ;;
    esac
done
. tests/gcov_lines.sh

[ $# -gt 0 ] || set -- $(ls tests/fuzz/fuzz_*.c | sed -E 's/.*fuzz_(.*)\.c/\1/')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
tests/fuzz/seeds.sh "$work/seeds"

for target in "$@"; do
    # "FILE.c" or "-FILE.c:FUNCTION", one a line
    sed -n '/covers:/,/\*\//p' "tests/fuzz/fuzz_$target.c" | tr ' ' '\n' | awk '
        /\.c$/ { file = $1; print file; without = 0 }
        without && /[a-z]/ { print "-" file ":" $1 }
        $1 == "without" { without = 1 }' >"$work/covers"
    files=$(grep -v '^-' "$work/covers" | xargs)
    notes=()
    for file in $files; do
        notes+=("$build/CMakeFiles/wm_${file%%/*}_objects.dir/$file.gcno")
    done
    [ ${#notes[@]} -gt 0 ] || { echo "fuzz_$target.c says not what it covers" >&2; exit 1; }
    mkdir -p "$work/run" "$work/$target"
    (cd "$work/run" && GCOV_PREFIX=$work/$target "$build/tests/fuzz_$target" \
        "$OLDPWD/tests/fuzz/corpus/$target" "$work/seeds/$target" ${more:+"$(realpath "$OLDPWD/$more")/$target"}) \
        >"$work/log" 2>&1 || { tail -n 5 "$work/log"; echo "fuzz_$target fails"; failed=1; }
    gcov_lines "$work/$target" "${notes[@]}" >"$work/lines"
    awk -v target="$target" -v least=$least -v missed="$missed" '
        NR == FNR { if (sub(/^-/, "")) without[$1]; else file[$1]; next }
        !($1 in file) || ($1 ":" $4) in without { next }
        { lines[$1]++; run[$1] += $3 > 0; all++; all_run += $3 > 0
          if (missed && !$3) print "    " $1 ":" $2, $4 }
        END {
            printf "%-16s %5.1f %% of %4d lines%s ", target, all ? 100 * all_run / all : 0, all,
                   (all && 100 * all_run >= least * all) ? " " : "!"
            for (f in lines) printf " %s %.0f", f, 100 * run[f] / lines[f]
            print ""
            exit !(all && 100 * all_run >= least * all)
        }' "$work/covers" "$work/lines" || failed=1
done
exit $failed
