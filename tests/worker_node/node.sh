#!/bin/bash
# Makes the worker node's root file system: node.sh FOLDER
# Debian trixie with HTCondor, Apptainer, real servers, and the tests' own Python packages.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
. "$here/../../bin/lib.sh"
. "$here/mirror.sh"
folder=$1

# trixie has no Apptainer; sid has, and it installs on trixie. Nothing else may come from
# sid that trixie has, or the whole system would be sid.
preferences='Package: *
Pin: release n=sid
Pin-Priority: 100

Package: apptainer
Pin: release n=sid
Pin-Priority: 990
'
export preferences
# shellcheck disable=SC2016 # the hooks' $1 is mmdebstrap's
sources trixie sid | root_file_system "$folder" trixie "$(grep -v '^#' "$here/node-packages" | paste -sd,)" \
    --setup-hook='mkdir -p "$1/etc/apt/preferences.d" && printf %s "$preferences" >"$1/etc/apt/preferences.d/sid"' \
    --setup-hook='mkdir -p "$1/usr/sbin" && printf "#!/bin/sh\nexit 101\n" >"$1/usr/sbin/policy-rc.d" && chmod 755 "$1/usr/sbin/policy-rc.d"'

# PyPI packages: pip runs out here, where its configuration is (mirror, certificates),
# and the node's own Python takes the wheels.
wheels=$folder/var/tmp/wheels
mkdir -p "$wheels"
python=$(find_python) || die "please install a Python of at least 3.9 with its venv module"
"$python" -m venv "$folder.venv"
pip() { "$folder.venv/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
pip install wheel setuptools
for_node=(--python-version 3.13 --implementation cp --abi cp313 --abi abi3 --abi none
    --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64)
pip download --no-deps --only-binary :all: "${for_node[@]}" -d "$wheels" -r "$here/requirements.txt"
pip wheel --no-deps --no-build-isolation -w "$wheels" -r "$here/requirements-source.txt"
rm -rf "$folder.venv"
chroot "$folder" sh -c 'python3 -m pip install --quiet --no-index --no-deps --break-system-packages --root-user-action ignore /var/tmp/wheels/*.whl'
rm -rf "$wheels"

"$here/finish.sh" "$folder"
