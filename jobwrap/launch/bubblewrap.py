"""bubblewrap: a second runtime for extracted images, on request; it starts in a tenth of the time.

The image's folder cannot be the root itself, since a read-only root has no place for a mount point that
it lacks: the root is a memory file system into which each top-level entry of the image is bound.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from jobwrap.failures import JobwrapError
from jobwrap.launch.instance import Instance
from jobwrap.node.probe import ask

# bubblewrap's own, in place of the image's.
_SHELL = "/bin/sh"  # no name of an entry
_OWN = {"proc", "dev", "sys", "tmp"}
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # of an image that sets none
# The image's own environment, as Apptainer reads it; the gate's words follow.
_SOURCE = 'for script in /.singularity.d/env/*.sh; do [ ! -f "$script" ] || . "$script"; done; exec "$@"'
_NETWORK = {"host": (), "none": ("--unshare-net",)}


def command(instance: Instance) -> tuple[str, ...]:
    """The words that start the container; JobwrapError image.unsupported for what bubblewrap cannot run."""
    if instance.kind != "sandbox":
        problem = "bubblewrap runs extracted images only"
        raise JobwrapError("image.unsupported", image=instance.image, problem=problem)
    if instance.gpus:
        raise JobwrapError("job.usage", problem="--runtime bwrap cannot give a task its GPUs; leave it out")
    entries: dict[str, str] = ask(_entries, instance.image, deadline=instance.deadline, what=instance.image)
    return (
        instance.runtime,
        *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-cgroup-try"),
        *_NETWORK[instance.network],
        *("--die-with-parent", "--new-session", "--clearenv", "--setenv", "PATH", _PATH),
        *("--perms", "0755", "--tmpfs", "/"),
        *_root(instance, entries),
        *("--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm"),
        *_mounts(instance),
        *("--remount-ro", "/", "--chdir", instance.target, "--"),
        *(("/bin/sh", "-c", _SOURCE, "sh") if _SHELL in entries else ()),
    )


def _root(instance: Instance, entries: dict[str, str]) -> Iterator[str]:
    """Each top-level entry of the image, in place."""
    covered = {mount.target.split("/")[1] for mount in instance.mounts if mount.target.count("/") == 1}
    for name, link in sorted(entries.items()):
        if name == _SHELL:
            continue
        if link:
            yield from ("--symlink", link, f"/{name}")
        elif name not in _OWN | covered:
            yield from ("--ro-bind", f"{instance.image}/{name}", f"/{name}")


def _entries(image: str) -> dict[str, str]:
    """Name: target of a link, or ""; and _SHELL where the image has one and scripts for it."""
    with os.scandir(image) as entries:
        found = {entry.name: os.readlink(entry.path) if entry.is_symlink() else "" for entry in entries}
    shells = (f"{image}/bin/sh", f"{image}/usr/bin/sh")
    if os.path.isdir(f"{image}/.singularity.d/env") and any(map(os.path.lexists, shells)):
        found[_SHELL] = ""
    return found


def _mounts(instance: Instance) -> Iterator[str]:
    if os.path.lexists(f"{instance.image}/etc/resolv.conf"):
        yield from ("--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf")
    for mount in instance.mounts:
        if _in_the_image(mount.target) and not os.path.lexists(instance.image + mount.target):
            continue  # there is nothing to put it on in a folder of the image
        yield from ("--bind" if mount.writable else "--ro-bind", mount.source, mount.target)


def _in_the_image(target: str) -> bool:
    return target.startswith("/etc/")
