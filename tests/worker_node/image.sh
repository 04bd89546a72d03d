#!/bin/bash
# Makes one extracted container image: image.sh PACKAGES-FILE NODE FOLDER
# The first lines of a packages file tell the suite ("none": only the static program) and
# the image's name; the others are Debian packages.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
. "$here/../../bin/lib.sh"
. "$here/mirror.sh"
file=$1 node=$2 folder=$3
suite=$(sed -n 's/^# suite: //p' "$file")
image=$(sed -n 's/^# image: //p' "$file")
packages=$(grep -v '^#' "$file" | paste -sd, || true)

if [[ $suite == none ]]; then
    mkdir -p "$folder"/{bin,etc,proc,sys,dev,tmp,var/tmp,root,home,srv,cvmfs}
    # The node's compiler, so that the machine needs none.
    source=$node/var/tmp/report.$$.c
    cp "$here/report.c" "$source"
    chroot "$node" gcc -O2 -Wall -static -o "/var/tmp/report.$$" "/var/tmp/report.$$.c"
    mv "$node/var/tmp/report.$$" "$folder/bin/report"
    rm "$source"
    printf 'ID=jobwrap-static\nNAME="jobwrap static"\nVERSION_ID="1"\nPRETTY_NAME="jobwrap static 1"\n' >"$folder/etc/os-release"
    echo 'root:x:0:0:root:/root:/bin/report' >"$folder/etc/passwd"
    echo 'root:x:0:' >"$folder/etc/group"
    : >"$folder/etc/hosts"
    : >"$folder/etc/resolv.conf"
    chmod 1777 "$folder/tmp" "$folder/var/tmp"
    exit
fi

suites=("$suite") pin=()
if [[ ,$packages, == *,apptainer,* ]]; then
    suites+=(sid)
    preferences='Package: *
Pin: release n=sid
Pin-Priority: 100
'
    export preferences
    # shellcheck disable=SC2016 # the hook's $1 is mmdebstrap's
    pin=(--setup-hook='mkdir -p "$1/etc/apt/preferences.d" && printf %s "$preferences" >"$1/etc/apt/preferences.d/sid"')
fi
sources "${suites[@]}" | root_file_system "$folder" "$suite" "$packages" "${pin[@]}"

# The tag promises a version; the suite could have moved on.
if [[ ,$packages, == *,python3-numpy,* ]]; then
    version=$(chroot "$folder" python3 -c 'import numpy; print(numpy.__version__)')
    [[ ${image##*:} == "$version" ]] || die "$file says $image, but $suite has numpy $version"
fi

# An image on CVMFS has no device nodes, can be read by all, and has these mount points.
rm -rf "${folder:?}"/dev/* "${folder:?}"/run/* "${folder:?}"/var/cache/apt/*
mkdir -p "$folder"/{srv,cvmfs}
: >"$folder/etc/hosts"
: >"$folder/etc/resolv.conf"
chmod -R u+rwX,go+rX "$folder"

# /.singularity.d and its links, as `apptainer build` itself writes them: from a definition
# with nothing in it, by an ordinary user, in namespaces like the node's.
"$here/metadata.sh" "$node" "$folder" "$image"
