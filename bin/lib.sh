# What the scripts in bin/ share; source it, it runs nothing.
# shellcheck shell=bash

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/jobwrap

# One line of progress. stderr, because stdout belongs to what a script was asked for.
say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
    say "$*"
    exit 1
}

# hash_of FILE… prints one key for the names and contents of the files.
hash_of() { sha256sum -- "$@" | sha256sum | cut -c 1-16; }

# need_packages PKG… installs the Debian packages that are missing, or says which are.
need_packages() {
    local package missing=()
    for package in "$@"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
            missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null && ((EUID == 0)) ||
        die "please install these Debian packages (or their like here): ${missing[*]}"
    say "installing ${missing[*]}"
    # Lists may be old or absent, so they are fetched, but only once something is missing.
    apt-get update -qq >&2 || die "apt-get update failed"
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
        -o Dpkg::Use-Pty=0 "${missing[@]}" >&2 || die "could not install ${missing[*]}"
}

# find_python prints a python3 of at least 3.9 that can make virtual environments.
find_python() {
    local python
    for python in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9 /usr/bin/python3; do
        if "$python" -c 'import sys, venv; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
            # Debian splits venv in two: the module is there, what fills it may not be.
            "$python" -c 'import ensurepip' 2>/dev/null || continue
            command -v "$python"
            return
        fi
    done
    return 1
}

# need_venv sets VENV to a virtual environment with what pyproject.toml asks for in
# [project] dependencies and [project.optional-dependencies] dev, without jobwrap itself:
# that is taken from the source tree.
need_venv() {
    local python key wanted
    key=$(cd "$REPO" && hash_of pyproject.toml) # of the content, not of where this checkout lies
    VENV=$CACHE/venv-$key
    [[ -e $VENV/complete ]] && return
    python=$(find_python) || {
        need_packages python3 python3-venv
        python=$(find_python) || die "please install a Python of at least 3.9 with its venv module"
    }
    mkdir -p "$CACHE"
    # Not built aside and renamed, because a venv's scripts name its folder: the file
    # "complete", written last, tells a whole one from the rest of a killed build.
    {
        flock 8
        [[ -e $VENV/complete ]] && return
        say "making the virtual environment $VENV"
        rm -rf "$VENV"
        "$python" -m venv "$VENV" >&2 || die "could not make $VENV"
        wanted=$("$VENV/bin/python" - "$REPO/pyproject.toml" <<'PY'
import sys
try:
    import tomllib
except ModuleNotFoundError:  # before Python 3.11; pip brings its own copy
    from pip._vendor import tomli as tomllib
with open(sys.argv[1], "rb") as file:
    project = tomllib.load(file)["project"]
print(*project.get("dependencies", []), *project["optional-dependencies"]["dev"], sep="\n")
PY
        ) || die "could not read the dependencies in pyproject.toml"
        "$VENV/bin/python" -m pip install --quiet -r <(printf '%s\n' "$wanted") >&2 ||
            die "could not install what pyproject.toml asks for"
        touch "$VENV/complete"
    } 8>"$CACHE/venv.lock"
}
