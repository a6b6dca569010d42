#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tools/ucd.sh          makes base/ucd_tables.inc anew
# tools/ucd.sh --check  makes it elsewhere and compares; 77 where the data of the two Unicode versions
#                       are not at hand
# Unicode 14.0 comes from Perl 5.36 (Debian: perl), 15.0 from ICU 72 (libicu-dev).
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cannot() {
    echo "ucd.sh: $*"
    exit 77
}
perl tools/ucd_dump.pl >"$work/14.0" 2>"$work/why" || cannot "no Unicode data of Perl: $(head -n 1 "$work/why")"
flags=$(pkg-config --cflags --libs icu-uc) || cannot "no ICU"
# shellcheck disable=SC2086
${CC:-cc} -O1 -o "$work/dump" tools/ucd_dump.c $flags
"$work/dump" >"$work/15.0"
for version in 14.0 15.0; do
    found=$(head -n 1 "$work/$version")
    [ "$found" = "version $version.0" ] || cannot "Unicode $found here, $version.0 wanted"
done

perl tools/ucd_tables.pl "$work/14.0" "$work/15.0" >"$work/ucd_tables.inc"
if [ "${1:-}" = --check ]; then
    cmp "$work/ucd_tables.inc" base/ucd_tables.inc
    echo "base/ucd_tables.inc is what Perl's and ICU's data give"
else
    mv "$work/ucd_tables.inc" base/ucd_tables.inc
fi
