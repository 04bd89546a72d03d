"""Whether jobwrap was itself started inside a container, and which kind it is."""

from __future__ import annotations

import os
from collections.abc import Mapping

from jobwrap.node import files

# What a kind leaves in its root folder and its environment; the first that fits counts, the innermost
# kind first: an Apptainer in a pod is found in its root folder, where no pod leaves anything.
_MARKS = (
    ("apptainer", "/.singularity.d", "APPTAINER_CONTAINER"),
    ("singularity", "/.singularity.d", "SINGULARITY_CONTAINER"),
    ("apptainer", "/.singularity.d", ""),
    ("kubernetes", "/var/run/secrets/kubernetes.io", ""),
    ("kubernetes", "/proc", "KUBERNETES_SERVICE_HOST"),
    ("podman", "/run/.containerenv", ""),
    ("docker", "/.dockerenv", ""),
)
_CGROUPS = (("kubepods", "kubernetes"), ("libpod", "podman"), ("docker", "docker"), ("lxc", "lxc"))


def find_container(environ: Mapping[str, str], root: str = "/") -> str:
    """ "apptainer", "singularity", "kubernetes", "podman", "docker", "lxc", another kind's name, or ""."""
    for kind, path, variable in _MARKS:
        if os.path.lexists(f"{root}{path}") and (not variable or variable in environ):
            return kind
    group = files.text(f"{root}/proc/1/cgroup")
    for word, kind in _CGROUPS:
        if word in group:
            return kind
    return files.line(f"{root}/run/systemd/container")
