# SPDX-License-Identifier: Apache-2.0
# For tests of --memory, skipped where a hard limit cannot be set; sourced behind lib.sh.
export OMP_STACKSIZE=1M
if ! (ulimit -d 65536 && "$WETMILL" --version) >/dev/null 2>&1; then
    echo "skipped: this build (sanitizers?) does not start with 64 MiB of data"
    exit 77
fi

# limited MIB COMMAND…: under --memory MIB and a hard limit a quarter above.
limited() {
    local mib=$1 code
    shift
    checks=$((checks + 1))
    (ulimit -d $((mib * 1280)) && exec "$@" --memory "${mib}MiB") >out.txt 2>err.txt </dev/null
    code=$?
    [ "$code" = 0 ] || fail "exit $code with $mib MiB: $* — $(head -c 600 err.txt)"
}

# unlimited COMMAND…: it must succeed.
unlimited() {
    checks=$((checks + 1))
    "$@" >out.txt 2>err.txt </dev/null || fail "exit $?: $* — $(head -c 600 err.txt)"
}
