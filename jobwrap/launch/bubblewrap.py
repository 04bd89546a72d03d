"""bubblewrap: a second runtime for extracted images, on request; it starts in a tenth of the time.

The image's folder cannot be the root itself, since a read-only root has no place for a mount point that
it lacks: the root is a memory file system into which each top-level entry of the image is bound.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from jobwrap.failures import JobwrapError
from jobwrap.launch.instance import Instance
from jobwrap.launch.mounts import Dropped, Mount
from jobwrap.node.probe import ask

# bubblewrap's own, in place of the image's.
_SHELL = "/bin/sh"  # no name of an entry
_OWN = {"proc", "dev", "sys", "tmp"}
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # of an image that sets none
# The image's own environment, as Apptainer reads it.
_SOURCE = 'for script in /.singularity.d/env/*.sh; do [ ! -f "$script" ] || . "$script"; done; '
# Where the libraries of the host's GPU driver are, behind what the image has itself.
_LIBRARIES = "/.host-libraries"
_SEARCH = f'export LD_LIBRARY_PATH="${{LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}}{_LIBRARIES}"; '
_RESOLVER = ("--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf")  # as Apptainer binds it
_NETWORK = {"host": (), "none": ("--unshare-net",)}


def command(instance: Instance) -> tuple[tuple[str, ...], tuple[Dropped, ...]]:
    """The words that start the container, and the mounts that it has no place for.

    JobwrapError image.unsupported or job.usage for what bubblewrap cannot do.
    """
    if instance.kind != "sandbox":
        problem = "bubblewrap runs extracted images only"
        raise JobwrapError("image.unsupported", image=instance.image, problem=problem)
    if instance.gpus and instance.libraries is None:  # only NVIDIA's driver is known piece by piece
        raise JobwrapError("job.usage", problem="--runtime bwrap cannot give a task these GPUs; leave it out")
    entries: dict[str, str] = ask(_entries, instance.image, deadline=instance.deadline, what=instance.image)
    mounts, dropped = _fit(instance, entries)
    words = (
        instance.runtime.path,
        *("--unshare-user", "--unshare-pid", "--as-pid-1", "--unshare-ipc", "--unshare-cgroup-try"),
        *_NETWORK[instance.network],
        *("--die-with-parent", "--new-session", "--clearenv", "--setenv", "PATH", _PATH),
        *(("--setenv", "LD_LIBRARY_PATH", _LIBRARIES) if instance.libraries else ()),
        *("--perms", "0755", "--tmpfs", "/"),
        *_root(instance, entries, {mount.target for mount in mounts}),
        *("--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm"),
        *(word for mount in mounts for word in _bind(mount)),
        *(word for path in instance.libraries or () for word in _library(path)),
        *(_RESOLVER if os.path.isfile(f"{instance.image}/etc/resolv.conf") else ()),
        *("--remount-ro", "/", "--chdir", instance.target, "--"),
        *(("/bin/sh", "-c", _source(instance), "sh") if _SHELL in entries else ()),
    )
    return words, dropped


def _root(instance: Instance, entries: dict[str, str], covered: set[str]) -> Iterator[str]:
    """Each top-level entry of the image in place, save those that a mount covers."""
    for name, link in sorted(entries.items()):
        if name == _SHELL:
            continue
        if link:
            yield from ("--symlink", link, f"/{name}")
        elif name not in _OWN and f"/{name}" not in covered:
            yield from ("--ro-bind", f"{instance.image}/{name}", f"/{name}")


def _entries(image: str) -> dict[str, str]:
    """Name: target of a link, or ""; and _SHELL where the image has one and scripts for it."""
    with os.scandir(image) as entries:
        found = {entry.name: os.readlink(entry.path) if entry.is_symlink() else "" for entry in entries}
    shells = (f"{image}/bin/sh", f"{image}/usr/bin/sh")
    if os.path.isdir(f"{image}/.singularity.d/env") and any(map(os.path.lexists, shells)):
        found[_SHELL] = ""
    return found


def _fit(instance: Instance, entries: dict[str, str]) -> tuple[list[Mount], tuple[Dropped, ...]]:
    """The mounts that have a place: not in a folder of the image that lacks it, nor on a link in there."""
    mounts, dropped = [], []
    own = {mount.target for mount in instance.mounts}
    for mount in instance.mounts:
        top, place = mount.target.split("/")[1], instance.image + mount.target
        in_the_image = top in entries and top not in _OWN and f"/{top}" not in own
        if mount.target.count("/") == 1 or not in_the_image or _is_place(place):
            mounts.append(mount)
        elif mount.target.startswith("/etc/"):
            dropped.append(Dropped(mount.source, f"the image has no plain file {mount.target} for it"))
        else:
            problem = f"--runtime bwrap can mount nothing at {mount.target}, which the image does not have"
            raise JobwrapError("job.usage", problem=problem)
    return mounts, tuple(dropped)


def _is_place(path: str) -> bool:
    return os.path.exists(path) and not os.path.islink(path)


def _bind(mount: Mount) -> tuple[str, str, str]:
    how = "--bind" if mount.writable else "--ro-bind"
    return ("--dev-bind" if mount.source.startswith("/dev/") else how, mount.source, mount.target)


def _library(path: str) -> tuple[str, str, str]:
    return ("--ro-bind", path, f"{_LIBRARIES}/{os.path.basename(path)}")


def _source(instance: Instance) -> str:
    """The script that reads the image's environment; the gate's words follow."""
    return _SOURCE + (_SEARCH if instance.libraries else "") + 'exec "$@"'
