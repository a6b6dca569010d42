# Sourced by tests/cli/test_*.sh: a scratch directory, crawl records by hand, and expect.
set -u
: "${WETMILL:?set WETMILL to the program}" "${WM_SOURCE_DIR:?set WM_SOURCE_DIR to the source tree}"
work=$(mktemp -d "${TMPDIR:-/tmp}/wetmill-test.XXXXXX")
trap 'chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
checks=0 failures=0

fail() {
    failures=$((failures + 1))
    printf 'FAILED: %s\n' "$*" >&2
}

# expect CODE PATTERN COMMAND…: exit code (a regular expression), and an extended regular expression in stdout or stderr.
expect() {
    local want=$1 pattern=$2 code
    shift 2
    checks=$((checks + 1))
    "$@" >out.txt 2>err.txt </dev/null
    code=$?
    [[ $code =~ ^$want$ ]] || fail "exit $code, want $want: $* — $(head -c 400 err.txt)"
    grep -qE -- "$pattern" out.txt err.txt || fail "no /$pattern/ from: $* — $(head -c 400 err.txt)"
}

# same A B: files have the same bytes.
same() {
    checks=$((checks + 1))
    cmp -s "$1" "$2" || fail "$1 and $2 differ"
}

# holds WHAT COMMAND…: the command must succeed.
holds() {
    local what=$1
    shift
    checks=$((checks + 1))
    "$@" >/dev/null 2>&1 || fail "$what"
}

# record URL TEXT [LENGTH]: a WET record; LENGTH replaces the true Content-Length.
record() {
    local length=${3-$(printf %s "$2" | wc -c)}
    printf 'WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: %s\r\n' "$1"
    printf 'WARC-Date: 2024-01-01T00:00:00Z\r\nWARC-Record-ID: <urn:uuid:%s>\r\n' "$1"
    printf 'Content-Type: text/plain\r\nContent-Length: %s\r\n\r\n%s\r\n\r\n' "$length" "$2"
}

summary() {
    echo "$checks checks, $failures failed"
    [ "$failures" = 0 ] && [ "$checks" -gt 0 ]
    exit
}
