#!/bin/bash
# The node's first process: enter.sh BASE TREE RUN REPO CWD AS_ROOT CONDOR CONDOR_CONFIG COMMAND ARG…
# bin/worker-node starts it, as root, in fresh namespaces; it turns them into the node and
# becomes the command.
set -euo pipefail
base=$1 tree=$2 run=$3 repo=$4 cwd=$5 as_root=$6 condor=$7 condor_config=$8
shift 8

# The base never changes: writes go to memory, and so end with the mount namespace.
mkdir "$run/root" "$run/tmp"
mount -t tmpfs -o mode=755 tmpfs "$run/root"
mkdir "$run/root/upper" "$run/root/work" "$run/root/merged"
root=$run/root/merged
mount -t overlay -o "lowerdir=$base,upperdir=$run/root/upper,workdir=$run/root/work" overlay "$root"

# A fresh /dev from the nodes that the recipe made; those of the machine are never touched.
mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
cp -a "$base/dev/." "$root/dev/"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5,nosuid,noexec devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
mkdir -m 1777 "$root/run/lock"

# /tmp is on disk, as images are unpacked there.
chmod 1777 "$run/tmp"
mount --bind "$run/tmp" "$root/tmp"
mount --bind "$tree" "$root/cvmfs"
mount -o remount,bind,ro,nosuid,nodev "$root/cvmfs"

# The checkout at its own path, whatever the modes of the folders above it on the machine.
mkdir -p "$root$repo"
above=$repo
while above=${above%/*} && [[ -n $above ]]; do chmod a+rx "$root$above"; done
mount --rbind "$repo" "$root$repo"

[[ -z $condor_config ]] || cp "$condor_config" "$root/run/condor-extra.conf"
((condor)) && cp "$repo/tests/worker_node/"condor{.sh,_config} "$root/run/"

# A real change of root: in a chroot no user namespace can be made, and so no container.
mkdir "$root/.machine"
cd "$root"
pivot_root . .machine
echo worker-node >/proc/sys/kernel/hostname
ip link set lo up
umount -l /.machine
rmdir /.machine

cd "$cwd" 2>/dev/null || {
    echo "worker-node: no $cwd in the node; the command starts in $HOME" >&2
    cd "$HOME"
}
user=(setpriv --reuid 1000 --regid 1000 --init-groups)
((as_root)) && user=()
# bash left SIGINT and SIGQUIT ignored in what it started in the background.
# shellcheck disable=SC2054 # one word for env
command=(env -u OLDPWD -u SHLVL --default-signal=INT,QUIT "${user[@]}" "$@")
((condor)) && command=(/run/condor.sh "${command[@]}")
# tini reaps what the command orphans, hands signals on and passes its exit status;
# when it ends, the kernel ends all that is left.
exec tini -- "${command[@]}"
