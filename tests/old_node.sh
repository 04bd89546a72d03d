#!/bin/sh
# The shipped file on a node with Python 3.9 and nothing else; run on the machine after bin/build:
#   bin/worker-node run --release bullseye -- tests/old_node.sh
set -eu
jobwrap=$(cd "$(dirname "$0")/.." && pwd)/dist/jobwrap
scratch=$(mktemp -d)
cd "$scratch"

fail() {
    echo "old node: $*" >&2
    exit 1
}

# ends_with CODE WORD… runs the shipped file with an empty environment.
ends_with() {
    wanted=$1
    shift
    got=0
    env -i "$jobwrap" "$@" 2>stderr || got=$?
    [ "$got" = "$wanted" ] || fail "exit code $got, not $wanted, of: $* ($(cat stderr))"
    ! grep -q Traceback stderr || fail "a traceback of: $*"
}

python3 -c 'import sys; sys.exit(sys.version_info[:2] != (3, 9))' || fail "its Python is not 3.9"
ends_with 0 --version >/dev/null
ends_with 0 --help >/dev/null
for code in 0 1 71 85 126 127 255; do
    ends_with $code --here -- sh -c "exit $code"
    python3 -c "import json; assert json.load(open('jobwrap-record.json'))['state'] == 'finished'"
done
ends_with 143 --here -- sh -c 'kill -TERM $$'
ends_with 69 --image htc/debian:12 -- true # no container runtime
grep -q '^jobwrap: no container runtime' stderr || fail "no sentence that says why: $(cat stderr)"
echo "old node: all is well with $(python3 -V)"
