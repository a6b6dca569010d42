#!/usr/bin/env bash
# Set up, build with AddressSanitizer and UndefinedBehaviorSanitizer, and run the tests.
# test.sh [PRESET [ctest options…]]: another preset of CMakePresets.json, such as release.
set -euo pipefail
cd "$(dirname "$0")"
. cmake/setup.sh
preset=${1:-dev}
[ $# -eq 0 ] || shift
wm_install $WM_PACKAGES
wm_build "$preset"
status=0
ctest --preset "$preset" -j "$(nproc)" "$@" || status=$?
echo "What was left out, and why:"
awk '$2 == "Testing:" { test = $3 } sub(/^skipped: /, "") { print "  " test ": " $0; n++ }
     END { if (!n) print "  nothing" }' "build/$preset/Testing/Temporary/LastTest.log"
exit "$status"
