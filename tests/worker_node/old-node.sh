#!/bin/bash
# Makes the old node's root file system: old-node.sh FOLDER
# Debian bullseye with its own Python 3.9, the oldest that jobwrap promises to run on.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
. "$here/../../bin/lib.sh"
. "$here/mirror.sh"

# iproute2 and tini are for the entry (enter.sh), python3 is the point.
sources bullseye | root_file_system "$1" bullseye python3,iproute2,tini
"$here/finish.sh" "$1"
