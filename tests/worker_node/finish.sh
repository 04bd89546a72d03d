#!/bin/bash
# The last touches that make a root file system a worker node: finish.sh FOLDER
set -euo pipefail
cd "$1"

chroot . groupadd --gid 1000 job
chroot . useradd --uid 1000 --gid 1000 --create-home --shell /bin/bash job

# No DNS server is reachable in there, and each look-up of a name would wait 20 s for one.
echo worker-node >etc/hostname
printf '127.0.0.1 localhost worker-node\n::1 localhost\n' >etc/hosts
: >etc/resolv.conf
sed -i 's/^hosts:.*/hosts: files/' etc/nsswitch.conf 2>/dev/null || echo 'hosts: files' >etc/nsswitch.conf

# The nodes that a container runtime expects; enter.sh copies them to a fresh /dev.
# /dev/fuse is open to all, as on a real worker node: an ordinary user mounts SIFs.
rm -rf dev
mkdir -p dev/pts dev/shm dev/mqueue cvmfs srv
node() { mknod -m "$2" "dev/$1" c "$3" "$4"; }
node null 666 1 3
node zero 666 1 5
node full 666 1 7
node random 666 1 8
node urandom 666 1 9
node tty 666 5 0
node fuse 666 10 229
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr

ln -sf /proc/self/mounts etc/mtab
echo 'A jobwrap test node, made by bin/worker-node.' >etc/jobwrap-worker-node
