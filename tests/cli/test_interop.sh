#!/usr/bin/env bash
# tests/interop: what is not there to compare with is skipped with a message, but where all is required
# it fails; only the function that knows the difference says "skipped".
. "${BASH_SOURCE%/*}/lib.sh"
interop=$WM_SOURCE_DIR/tests/interop
mkdir none
required() { # SCRIPT
    WETMILL_INTEROP=required WETMILL_NPM=$work/none WETMILL_VECTORS=$work/none WETMILL_DATA=$work/none \
        timeout 300 bash "$interop/$1" "$WETMILL"
}
expect 1 '^required: (no ranks or vectors of r50k|npm is not here)' required formats.sh
for script in "$interop"/*.sh; do
    [ "${script##*/}" = npm.sh ] || holds "$script skips by itself" test -z "$(grep -n 'echo.*skipped' "$script")"
    holds "$script uses npm.sh" grep -q 'npm.sh\|^absent()' "$script"
done
absent() { # HOW
    WETMILL_INTEROP=$1 bash -c '. "$0"; absent "no vectors"; echo on' "$interop/npm.sh"
}
expect 1 '^required: no vectors$' absent required
expect 0 '^skipped: no vectors$' absent ''
expect 0 '^on$' absent ''
summary
