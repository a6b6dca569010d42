# Sourced by the scripts here, after here=DIRECTORY-OF-THE-SCRIPTS: the npm packages that they compare
# with, and running what does. What is not there, packages or vectors, is skipped with a message, but
# with WETMILL_INTEROP=required it fails.
failures=0

absent() { # WHAT
    if [ "${WETMILL_INTEROP:-}" = required ]; then
        echo "required: $1" >&2
        exit 1
    fi
    echo "skipped: $1"
}

# npm_setup DIRECTORY PACKAGE…: $npm_dir is $WETMILL_NPM (a directory with node_modules) if that is set,
# else DIRECTORY, with the packages installed there. One of several words stands for all of them.
# Exit 77 without npm or node.
npm_setup() {
    local package
    npm_dir=${WETMILL_NPM:-$1}
    shift
    if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
        absent "npm is not here"
        exit 77
    fi
    [ -z "${WETMILL_NPM:-}" ] || return 0
    mkdir -p "$npm_dir"
    npm_dir=$(cd "$npm_dir" && pwd)
    (cd "$npm_dir" && npm init -y >/dev/null)
    for package in "$@"; do
        # shellcheck disable=SC2086
        (cd "$npm_dir" && npm install --no-audit --no-fund --loglevel=error --ignore-scripts $package) >"$npm_dir/log" 2>&1 || {
            grep -m 4 "^npm error" "$npm_dir/log" >&2
            absent "cannot install $package"
        }
    done
}

# peer SCRIPT ARGUMENT…: a script of ours, where the packages are; one that fails is counted.
peer() {
    local code=0
    (cd "$npm_dir" && timeout 600 node "$here/$1" "${@:2}") || code=$?
    if [ $code = 77 ] && [ "${WETMILL_INTEROP:-}" != required ]; then
        return 0
    fi
    [ $code = 0 ] || failures=$((failures + 1))
}
