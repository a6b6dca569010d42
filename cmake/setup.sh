# Sourced by quickstart.sh, test.sh and .ci/run: installs what is missing, and only that.
# Needs root for that alone; says what it installs before it does.

WM_PACKAGES="gcc libc6-dev cmake ninja-build pkg-config libarchive-dev libzstd-dev zlib1g-dev
libdeflate-dev libicu-dev libpcre2-dev libxxhash-dev libyaml-dev libjansson-dev nettle-dev"

# wm_install PACKAGE…: install those that are not there yet.
wm_install() {
    local missing=() package as_root=
    if ! command -v apt-get >/dev/null; then
        echo "No apt-get here: install by hand what is missing of: $*"
        return 0
    fi
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "Installing Debian packages: ${missing[*]}"
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || {
            echo "These need root: run as root  apt-get install ${missing[*]}" >&2
            return 1
        }
        as_root=sudo
    fi
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
            --no-install-recommends "${missing[@]}" >/dev/null
}

# wm_build PRESET [TARGET…]: configure (once) and build (what changed).
wm_build() {
    local preset=$1
    shift
    [ -f "build/$preset/build.ninja" ] || cmake --preset "$preset" || return 1
    [ $# -eq 0 ] || set -- --target "$@"
    cmake --build --preset "$preset" "$@"
}
