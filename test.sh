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
ctest --preset "$preset" -j "$(nproc)" "$@"
