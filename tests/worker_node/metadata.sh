#!/bin/bash
# Gives an extracted image what `apptainer build` writes into one: metadata.sh NODE FOLDER IMAGE
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
node=$1 folder=$2 image=$3
run=$(mktemp -d)
trap 'rm -rf --one-file-system "$run"' EXIT
mkdir "$run/node" "$run/empty"
cat >"$run/node/Empty.def" <<DEF
Bootstrap: scratch

%labels
    org.opencontainers.image.title ${image%:*}
    org.opencontainers.image.version ${image##*:}

%environment
    export JOBWRAP_SAMPLE_IMAGE="$image"
DEF
chmod -R a+rwX "$run"
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/home/job USER=job LANG=C.UTF-8 \
    unshare --mount --pid --ipc --uts --net --fork --kill-child --propagation private \
    "$here/enter.sh" "$node" "$run/empty" "$run/node" "$run/node" "$run/node" 0 0 '' \
    sh -c 'apptainer -s build --sandbox out Empty.def && tar -cf meta.tar -C out .singularity.d singularity .run .exec .test .shell environment'
# Without owner and time of the moment: the image belongs to root, as its files do.
tar -xf "$run/node/meta.tar" -C "$folder" --no-same-owner
sed -i '/build-date/d' "$folder/.singularity.d/labels.json"
