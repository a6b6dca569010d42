#!/usr/bin/env bash
# Set up, build with AddressSanitizer and UndefinedBehaviorSanitizer, and run the tests.
# test.sh [PRESET [--only LABEL] [ctest options…]]: another preset of CMakePresets.json, such as
# release; of the tests those of a folder (base, cli, …) or with another label (tests/CMakeLists.txt).
set -euo pipefail
cd "$(dirname "$0")"
. cmake/setup.sh
preset=${1:-dev}
[ $# -eq 0 ] || shift
targets=()
if [ "${1-}" = --only ]; then
    label=${2:?--only wants a label}
    shift 2
    targets=("tests_$label")
    set -- -L "^$label\$" "$@"
fi
wm_install $WM_PACKAGES
wm_build "$preset" "${targets[@]}"
status=0
ctest --preset "$preset" --no-tests=error -j "$(nproc)" "$@" || status=$?
echo "What was left out, and why:"
awk '$2 == "Testing:" { test = $3 } sub(/^skipped: /, "") { print "  " test ": " $0; n++ }
     END { if (!n) print "  nothing" }' "build/$preset/Testing/Temporary/LastTest.log"
exit "$status"
