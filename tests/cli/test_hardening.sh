#!/usr/bin/env bash
# No build starts other programs; the release build has every hardening its compiler offers.
. "${BASH_SOURCE%/*}/lib.sh"
command -v readelf >/dev/null && command -v nm >/dev/null || {
    echo "skipped: binutils are not installed"
    exit 77
}
build=${WETMILL%/*}

# What our own objects call; a sanitizer's runtime, which is in the program too, may do as it likes.
nm -u "$build/libwetmill.a" "$build"/CMakeFiles/wetmill.dir/cli/*.o |
    awk '$1 == "U" { sub(/@.*/, "", $2); print $2 }' | sort -u >calls.txt
holds "nm says what the objects call" grep -qx malloc calls.txt
checks=$((checks + 1))
started=$(grep -xE 'system|popen|exec(l|le|lp|v|ve|vp|vpe|veat)|fexecve|posix_spawnp?|v?fork|wordexp|dlopen' calls.txt | xargs)
[ -z "$started" ] || fail "the program calls $started"

case ${WM_BUILD_TYPE-} in
Rel*)
    readelf -hW "$WETMILL" >header.txt
    readelf -lW "$WETMILL" >segments.txt
    readelf -dW "$WETMILL" >dynamic.txt
    readelf --dyn-syms -W "$WETMILL" >symbols.txt
    holds "a position-independent executable" grep -qE 'Type:.* DYN' header.txt
    holds "marked as such" grep -qE 'FLAGS_1.* PIE' dynamic.txt
    holds "relocations are read-only after the start" grep -q GNU_RELRO segments.txt
    holds "all of them are resolved at the start" grep -qE 'BIND_NOW|FLAGS_1.* NOW' dynamic.txt
    holds "the stack is not executable" grep -qE 'GNU_STACK .* RW +0x' segments.txt
    holds "no segment is writable and executable" bash -c '! grep -q "RWE" segments.txt'
    holds "the stack protector" grep -q '__stack_chk_fail' symbols.txt
    holds "fortified string functions" grep -qE ' __(memcpy|vsnprintf|snprintf|fprintf)_chk' symbols.txt
    # Level 3, not 2: sizes that are known at run time only are checked too. How it was compiled
    # stands in the list of commands.
    holds "-D_FORTIFY_SOURCE=3" grep -q -- '-D_FORTIFY_SOURCE=3' "$build/compile_commands.json"
    ;;
esac
summary
