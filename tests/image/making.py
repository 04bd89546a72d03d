"""Small ELF files, images and trees for the tests of this room."""

import json
import struct
from pathlib import Path

from jobwrap.node.survey import survey

MACHINES = Path(__file__).parents[1] / "node/trees/cpu"  # recorded machines
OSG = "singularity.opensciencegrid.org"
X86, ARM = 0x3E, 0xB7
LEVEL_BITS = {"v1": 1, "v2": 3, "v3": 7, "v4": 15}
LOADER = "lib64/ld-linux-x86-64.so.2"
LIBC = "lib/x86_64-linux-gnu/libc.so.6"


def make_elf(machine=X86, isa=0, kernel=(), interpreter="", wanted=(), defined=()):
    """A 64-bit little-endian ELF file with these notes, loader and symbol versions; it cannot run.

    wanted: (library, version) pairs.
    """
    segments = []  # (type, content)
    notes = b""
    if kernel:
        notes += struct.pack("<III4sIIII", 4, 16, 1, b"GNU\0", 0, *kernel)
    if isa:
        notes += struct.pack("<III4sIIII", 4, 16, 5, b"GNU\0", 0xC0008002, 4, isa, 0)
    if notes:
        segments.append((4, notes))
    if interpreter:
        segments.append((3, interpreter.encode() + b"\0"))
    count = len(segments) + (2 if wanted or defined else 0)
    place = 64 + 56 * count
    headers, body = b"", b""
    for kind, content in segments:
        headers += _header(kind, place, len(content))
        body += content + b"\0" * (-len(content) % 8)
        place = 64 + 56 * count + len(body)
    if wanted or defined:
        dynamic, rest = _versions(place, wanted, defined)
        # One loadable segment over the whole file, at its own offset plus 1 MiB.
        headers += struct.pack("<IIQQQQQQ", 1, 5, 0, 1 << 20, 0, place + len(rest), place + len(rest), 4096)
        headers += _header(2, place, len(dynamic))
        body += rest
    start = b"\x7fELF\2\1\1" + b"\0" * 9
    start += struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, count, 64, 0, 0)
    return start + headers + body


def _header(kind, place, size):
    return struct.pack("<IIQQQQQQ", kind, 4, place, place, 0, size, size, 8)


def _versions(place, wanted, defined):
    """(dynamic section, it and what follows it), for a place in the file."""
    strings, names = b"\0", {}
    for name in dict.fromkeys([*(word for pair in wanted for word in pair), *defined]):
        names[name] = len(strings)
        strings += name.encode() + b"\0"
    tables = place + 6 * 16
    need = b""
    for number, (library, version) in enumerate(wanted):
        last = number == len(wanted) - 1
        need += struct.pack("<HHIII", 1, 1, names[library], 16, 0 if last else 32)
        need += struct.pack("<IHHII", 0, 0, 2, names[version], 0)
    define = b""
    for number, name in enumerate(defined):
        last = number == len(defined) - 1
        define += struct.pack("<HHHHIII", 1, 0, number, 1, 0, 20, 0 if last else 28)
        define += struct.pack("<II", names[name], 0)
    base = 1 << 20
    tags = [
        (5, base + tables + len(need) + len(define)),
        (0x6FFFFFFE, base + tables),
        (0x6FFFFFFF, len(wanted)),
        (0x6FFFFFFC, base + tables + len(need)),
        (0x6FFFFFFD, len(defined)),
        (0, 0),
    ]
    dynamic = b"".join(struct.pack("<QQ", *tag) for tag in tags)
    return dynamic, dynamic + need + define + strings


def reader(content):
    """`at` for bytes in memory."""
    return lambda offset, size: content[offset : offset + size]


def make_image(root, level="v1", machine=X86, glibc="2.36", **files):
    """A sandbox with a loader, a libc and /bin/sh.

    files: os, the text of os-release; labels; env, the text of an environment script.
    """
    isa = LEVEL_BITS.get(level, level) if machine == X86 else 0
    contents = {
        LOADER if machine == X86 else "lib/ld-linux-aarch64.so.1": make_elf(machine),
        LIBC if machine == X86 else "lib/aarch64-linux-gnu/libc.so.6": make_elf(
            machine, isa, (3, 2, 0), defined=("libc.so.6", "GLIBC_2.2.5", f"GLIBC_{glibc}", "GLIBC_PRIVATE")
        ),
        "bin/sh": make_elf(machine, 1 if machine == X86 else 0, (3, 2, 0), "/" + LOADER),
    }
    contents["etc/os-release"] = files.get("os", "").encode()
    contents[".singularity.d/labels.json"] = json.dumps(files.get("labels", {})).encode()
    contents[".singularity.d/env/10-docker2singularity.sh"] = files.get("env", "").encode()
    for name, content in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def machine(name, cvmfs="/cvmfs", **environ):
    """The node with the recorded CPU of that name whose CVMFS is mounted at a folder."""
    return survey({"CVMFS_MOUNT_DIR": str(cvmfs), **environ}, {}, "/tmp", root=str(MACHINES / name))


class Tree:
    """An image tree below a folder that plays /cvmfs."""

    def __init__(self, cvmfs):
        self.cvmfs, self.root = cvmfs, cvmfs / OSG
        self.root.mkdir(parents=True)

    def add(self, tag, **facts):
        """Makes an image and its tag, whose link is absolute as in the real tree; gives its content path."""
        content = f".images/{len(list(self.root.glob('.images/*'))):02x}/" + f"{abs(hash(tag)):062x}"[:62]
        make_image(self.root / content, **facts)
        (self.root / tag).parent.mkdir(parents=True, exist_ok=True)
        (self.root / tag).symlink_to(f"/cvmfs/{OSG}/{content}")
        return self.root / content


def make_sif(machine=b"02", metadata=None, system=b"hsqs" + b"\0" * 100, role=2):
    """A SIF file with a metadata object and one partition."""
    header, table, entry = 128, 4096, 585
    start = table + 2 * entry
    content = json.dumps({"data": {"attributes": metadata or {}}}).encode()
    made = b"#!/usr/bin/env run-singularity\n".ljust(32, b"\0") + b"SIF_MAGIC\0" + b"01\0" + machine + b"\0"
    made += bytes(range(16)) + struct.pack("<8q", 0, 0, 0, 2, table, 2 * entry, start, 0)
    made += b"\0" * (table - header)
    extra = struct.pack("<ii3s", 1, role, machine + b"\0")
    for kind, place, size, rest in (
        (0x4006, start, len(content), b""),
        (0x4004, start + len(content), len(system), extra),
    ):
        facts = (kind, True, 1, 1, 0, place, size, size, 0, 0, 0, 0, b"", rest)
        made += struct.pack("<i?III3q4q128s384s", *facts)
    return made + content + system
