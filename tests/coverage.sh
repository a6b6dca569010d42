#!/usr/bin/env bash
# Line coverage of what the tests of the preset `coverage` have run so far, by folder, and which
# files are worst. Fails where a folder is below what it must have.
# coverage.sh [FILE…]: the lines of these files that have not run, instead.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${WETMILL_COVERAGE_BUILD:-build/coverage}
. tests/gcov_lines.sh

objects=()
for folder in base scorers pipeline stages tokenizer trainer run cli; do
    for dir in "$build/CMakeFiles/wm_${folder}_objects.dir/$folder" "$build/CMakeFiles/wetmill.dir/$folder"; do
        [ ! -d "$dir" ] || objects+=("$dir"/*.gcno)
    done
done
[ ${#objects[@]} -gt 0 ] || { echo "$build: not built with the preset coverage" >&2; exit 1; }

if [ $# -gt 0 ]; then
    gcov_lines "" "${objects[@]}" | awk -v want=" $* " 'index(want, " " $1 " ") && !$3 { print $1 ":" $2 }'
    exit
fi
# Limits: percent of the lines of a folder, and of the first group of folders together.
gcov_lines "" "${objects[@]}" | awk '
    { split($1, part, "/"); folder = part[1]; total[folder]++; run[folder] += $3 > 0
      lines[$1]++; missed[$1] += $3 == 0 }
    function row(name, r, t, least) {
        printf "  %-38s %6d of %6d lines  %5.1f %%%s\n", name, r, t, t ? 100 * r / t : 0,
               least ? sprintf("  (at least %d %%)", least) : ""
        if (t == 0 || 100 * r < least * t) bad = 1
    }
    END {
        n = split("base scorers pipeline stages tokenizer run trainer cli", order, " ")
        for (i = 1; i <= n; i++) {
            f = order[i]
            row(f, run[f], total[f], f == "trainer" ? 85 : 0)
            if (f != "trainer" && f != "cli") { all_run += run[f]; all += total[f] }
        }
        row("base scorers pipeline stages tokenizer run", all_run, all, 90)
        print "  most lines that have not run:"
        for (k = 0; k < 15; k++) {
            worst = ""
            for (f in missed) if (worst == "" || missed[f] > missed[worst]) worst = f
            if (worst == "" || !missed[worst]) break
            printf "    %5d of %5d  %s\n", missed[worst], lines[worst], worst
            delete missed[worst]
        }
        exit bad
    }'
