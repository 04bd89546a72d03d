#!/bin/bash
# Makes the sample CVMFS tree: tree.sh NODE STORE FOLDER
# FOLDER gets what /cvmfs shows: images in the layout of singularity.opensciencegrid.org,
# from the packages files of containers/, and a small data repository.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
. "$here/../../bin/lib.sh"
node=$1 store=$2 folder=$3
images=$folder/singularity.opensciencegrid.org
mkdir -p "$images/.images" "$folder/data.example.org"

# The name of an image's folder is the sha256 of what it is made from.
hash_of_image() { cat "$1" "$here"/{image.sh,metadata.sh,mirror.sh,report.c} | sha256sum | cut -c 1-64; }

add_image() {
    local packages=$1 tag hash place older
    tag=$(sed -n 's/^# image: //p' "$packages")
    hash=$(hash_of_image "$packages")
    place=.images/${hash:0:2}/${hash:2}
    mkdir -p "$images/${place%/*}" "$images/${tag%/*}"
    # An image whose recipe did not change is taken over from an earlier tree.
    older=$(compgen -G "$store/cvmfs-*/singularity.opensciencegrid.org/$place" | head -n 1 || true)
    if [[ -n $older ]]; then
        cp -al "$older" "$images/$place"
    else
        "$here/image.sh" "$packages" "$node" "$images/$place" || return
    fi
    # Absolute, as on the real CVMFS: it resolves only where /cvmfs is mounted as /cvmfs.
    ln -s "/cvmfs/singularity.opensciencegrid.org/$place" "$images/$tag"
}

# Two at a time: building an image is half waiting for the mirror, half one core's work.
failed=0
for packages in "$REPO"/containers/*/packages "$here/nested-packages"; do
    while (($(jobs -rp | wc -l) >= 2)); do wait -n || failed=1; done
    add_image "$packages" &
done
while (($(jobs -p | wc -l))); do wait -n || failed=1; jobs >/dev/null; done
((failed == 0)) || die "an image could not be built"

# Inputs that are the same on every machine, so that tests may name their checksums.
data=$folder/data.example.org
mkdir -p "$data"/{calibration,reference/parts}
awk 'BEGIN {
    print "run,module,scale"
    for (run = 1; run <= 100; run++) for (module = 0; module < 40; module++)
        printf "%d,%d,%.6f\n", run, module, 1 + ((run * 31 + module * 17) % 1000 - 500) / 10000
}' >"$data/calibration/energy-scale.csv"
echo 'Hello from CVMFS' >"$data/reference/hello.txt"
for part in 0 1 2 3 4; do seq "$((part * 1000))" "$((part * 1000 + 999))" >"$data/reference/parts/part-$part.txt"; done
find "$data" -exec touch -h -d '2026-01-01T00:00:00Z' {} +
