"""Reads what an image needs from the image itself.

Of a sandbox a dozen small reads: its labels, its environment scripts and os-release, the first block
of its loader, of its libc and of the task's program. On a cold CVMFS each may be a round trip, but
all of them save os-release and the labels are files that the launch reads anyway.
"""

from __future__ import annotations

from collections.abc import Mapping

from jobwrap.image import scripts
from jobwrap.image.elf import At, Elf, Versions, read_elf, read_versions
from jobwrap.image.files import Files
from jobwrap.image.needs import CUDA, GPU, KERNEL, LEVEL, MACHINE, Need, Needs, merged, version_key
from jobwrap.letters import is_word
from jobwrap.node.cpu import LEVELS, normalise_level
from jobwrap.plainjson import decode

# (loader, folders in which its libc is) by architecture; musl's loader is its libc.
_LOADERS = (
    ("/lib64/ld-linux-x86-64.so.2", ("/lib64", "/lib/x86_64-linux-gnu", "/usr/lib")),
    ("/lib/ld-linux-aarch64.so.1", ("/lib64", "/lib/aarch64-linux-gnu", "/usr/lib")),
    ("/lib64/ld64.so.2", ("/lib64", "/lib/powerpc64le-linux-gnu")),
    ("/lib/ld-musl-x86_64.so.1", ()),
    ("/lib/ld-musl-aarch64.so.1", ()),
)
# What a distribution's release builds all its packages for; from its own release notes.
_RELEASES = {
    **{(name, 9): "x86-64-v2" for name in ("rhel", "centos", "rocky", "almalinux", "ol")},
    **{(name, 10): "x86-64-v3" for name in ("rhel", "centos", "rocky", "almalinux", "ol")},
    ("sles", 16): "x86-64-v2",
    ("opensuse-leap", 16): "x86-64-v2",
}
_GO_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "386": "i386"}
# Labels of the HPC container conformance work (github.com/supercontainers).
_LABEL_CPU = "org.supercontainers.hardware.cpu."
_LABEL_GPU = {"cuda": "nvidia", "rocm": "amd"}
# The oldest level that runs what was compiled for a microarchitecture, by archspec's names.
_MICROARCHITECTURES = {
    **dict.fromkeys(("nehalem", "westmere", "sandybridge", "ivybridge", "bulldozer"), "x86-64-v2"),
    **dict.fromkeys(("haswell", "broadwell", "skylake", "zen", "zen2", "zen3"), "x86-64-v3"),
    **dict.fromkeys(("skylake_avx512", "cascadelake", "icelake", "sapphirerapids"), "x86-64-v4"),
    **dict.fromkeys(("zen4", "zen5"), "x86-64-v4"),
}


def read_sandbox(files: Files) -> Needs:
    """The needs of the image whose root is "/" of these files."""
    rows: list[Need] = []
    glibc = ""
    for loader, folders in _LOADERS:
        found = files.parse(loader, read_elf)
        if not found:
            continue
        rows += needs_of_program(loader, found)
        for folder in folders:
            libc = files.parse(f"{folder}/libc.so.6", _libc)
            if libc:
                rows += needs_of_program(f"{folder}/libc.so.6", libc[0])
                glibc = glibc_version(libc[1])
                break
        break
    release, level = read_release(files.text("/etc/os-release"))
    # Where libc has a note it knows better: some rebuild a release for an older level.
    if level and all(row.value <= LEVELS[0] for row in rows if row.what == LEVEL):
        rows.append(Need(LEVEL, level, f"all packages of {release}"))
    rows += needs_of_labels(_labels(files.text("/.singularity.d/labels.json", 1 << 18)))
    rows += needs_of_variables(scripts.read_variables(files))
    return Needs(merged(rows), release, glibc)


def needs_of_program(path: str, elf: Elf) -> list[Need]:
    """What the notes of one program or library say."""
    rows = [Need(MACHINE, elf.machine, path)]
    if elf.level:
        rows.append(Need(LEVEL, elf.level, f"the ELF note of {path}"))
    if elf.kernel:
        rows.append(Need(KERNEL, elf.kernel, f"the ABI tag of {path}"))
    return rows


def needs_of_labels(labels: Mapping[str, str]) -> list[Need]:
    """What an image's OCI and Singularity labels say."""
    rows = []
    for name, value in labels.items():
        source = f"its label {name}"
        if name == "org.label-schema.build-arch":
            rows.append(Need(MACHINE, _GO_MACHINES.get(value, value), source))
        elif name == "org.supercontainers.gpu" and value in _LABEL_GPU:
            rows.append(Need(GPU, _LABEL_GPU[value], source))
        elif name.startswith(_LABEL_CPU):
            level = normalise_level(value) or _MICROARCHITECTURES.get(value.strip().lower())
            if level:
                rows.append(Need(LEVEL, level, source))
    return rows


def needs_of_variables(variables: Mapping[str, str]) -> list[Need]:
    """What NVIDIA's images say in their environment."""
    if variables.get("NVIDIA_REQUIRE_CUDA"):
        return [Need(CUDA, variables["NVIDIA_REQUIRE_CUDA"], "its NVIDIA_REQUIRE_CUDA")]
    version = ".".join(map(str, version_key(variables.get("CUDA_VERSION", ""))[:2]))
    return [Need(CUDA, f"cuda>={version}", "its CUDA_VERSION")] if version else []


def read_release(text: str) -> tuple[str, str]:
    """("rocky 9.4", the level that its packages are built for or ""), from the text of an os-release."""
    fields = {}
    for line in text.splitlines():
        name, _, value = line.partition("=")
        fields[name] = value.strip().strip("\"'")
    told = (fields.get(field, "") for field in ("ID", "VERSION_ID"))
    name, version = (word if is_word(word) else "" for word in told)
    level = _RELEASES.get((name, (*version_key(version), 0)[0]), "")
    return f"{name} {version}".strip(), level


def glibc_version(versions: Versions) -> str:
    """The newest GLIBC version that a libc defines, "2.36"; "" where it is no glibc."""
    found = [version_key(name[6:]) for name in versions.defined if _is_glibc(name)]
    return ".".join(map(str, max(found))) if found else ""


def _is_glibc(version: str) -> bool:
    return version.startswith("GLIBC_2.") and not version[6:].strip("0123456789.")


def _libc(at: At) -> tuple[Elf, Versions] | None:
    elf = read_elf(at)
    return (elf, read_versions(at)) if elf else None


def _labels(text: str) -> dict[str, str]:
    try:
        table = decode(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(table, dict):
        return {}
    return {name: value for name, value in table.items() if isinstance(value, str)}
