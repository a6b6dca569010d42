# SPDX-License-Identifier: Apache-2.0
# For tests of --memory; sourced behind lib.sh.
export OMP_STACKSIZE=1M

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
