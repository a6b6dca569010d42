#!/usr/bin/env bash
# What is made from the tables is up to date, and the man page is one.
. "${BASH_SOURCE%/*}/lib.sh"
"$WETMILL" --generate stages >stages.md
same stages.md "$WM_SOURCE_DIR/docs/stages.md"
"$WETMILL" --generate man >wetmill.1
if command -v groff >/dev/null; then
    checks=$((checks + 1))
    groff -man -ww -z wetmill.1 2>warnings
    [ ! -s warnings ] || fail "man page: $(head -n 3 warnings)"
fi
for command in $("$WETMILL" --help | sed -nE 's/^  ([a-z]+)( [a-z]+)?  +.*/\1/p' | sort -u); do
    checks=$((checks + 1))
    grep -q "^\.SS wetmill $command" wetmill.1 || fail "the man page lacks $command"
done
summary
