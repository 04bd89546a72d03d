"""What the last lines of a failed task say of the cause: one table of what programs write there."""

from __future__ import annotations

import re

from jobwrap.diagnose import Guess
from jobwrap.evidence.weigh import Scene
from jobwrap.failures import DATA, ELSEWHERE, LATER, NEVER, SITE, USER

# (pattern, sentence, who must act, advice); {0} is what the pattern's first group matched, {where} the
# image or the node, {glibc} the image's glibc. The first row that fits a line counts, the last line first.
_ROWS = (
    (
        r"version .GLIBC_([\d.]+). not found",
        "the program was built for glibc {0} and {where} has {glibc}; build it there, or name a newer image",
        USER,
        NEVER,
    ),
    (
        r"version .((?:GLIBCXX|CXXABI|GCC|GFORTRAN)_[\d.]+). not found",
        "the program was built with a newer compiler than {where} has libraries of ({0}); build it there",
        USER,
        NEVER,
    ),
    (
        r"(?:error while loading shared libraries|ImportError): ([^\s:]+): cannot open shared object",
        "the library {0} is not in {where}; use an image that has it, or bring it along",
        USER,
        NEVER,
    ),
    (
        r"CPU ISA level is lower than required|CPU does not support x86-64-v\d",
        "the program or one of its libraries was built for a newer CPU than this one",
        USER,
        ELSEWHERE,
    ),
    (
        r"ModuleNotFoundError: No module named '([^']+)'",
        "the Python module {0} is not in {where}; use an image that has it, or bring it along",
        USER,
        NEVER,
    ),
    (
        r"(?:\\r|\^M|\r)'?: (?:(?:command )?not found|bad interpreter|No such file)|env: .*\\r.?: No such",
        "a script has lines that end in CR LF, as Windows writes them; make it LF (dos2unix)",
        USER,
        NEVER,
    ),
    (
        r"[Ee]xec format error",
        "a program is for another kind of CPU than this node's",
        USER,
        ELSEWHERE,
    ),
    (
        r"No space left on device|Disk quota exceeded",
        "a disk was full; ask for more, or write less",
        USER,
        ELSEWHERE,
    ),
    (
        r"CUDA out of memory|CUDA_ERROR_OUT_OF_MEMORY",
        "the GPU's memory was too small; ask for a larger one, or use less",
        USER,
        ELSEWHERE,
    ),
    (
        r"MemoryError|std::bad_alloc|Cannot allocate memory|[Oo]ut of memory",
        "there was not memory enough; ask for more, or use less",
        USER,
        ELSEWHERE,
    ),
    (
        r"CUDA driver version is insufficient|no CUDA-capable device|CUDA_ERROR_(?:NO_DEVICE|UNKNOWN)",
        "the GPU could not be used; ask for one, or the site must look at its driver",
        SITE,
        ELSEWHERE,
    ),
    (
        r"Transport endpoint is not connected|Stale file handle|Input/output error",
        "a file system of this node failed; the site must look at it",
        SITE,
        ELSEWHERE,
    ),
    (
        r"Too many open files",
        "the task opened more files than a process may here (ulimit -n); open fewer, or ask the site",
        USER,
        ELSEWHERE,
    ),
    (
        r"Could not resolve host|[Nn]ame resolution|Connection (?:refused|timed out)|Network is unreachable",
        "the task could not reach a server",
        DATA,
        LATER,
    ),
)
# As bash, dash and busybox say it.
_NO_COMMAND = re.compile(r"(?:^|: )([^\s:]+): (?:command )?not found$")


def of_words(scene: Scene) -> tuple[Guess, str] | None:
    """The guess that the last lines allow and the line that it rests on."""
    image = scene.plan.image
    facts = {"where": scene.where, "glibc": (image and image.needs.glibc) or "an older one"}
    for line in reversed(scene.lines):
        for pattern, sentence, who, advice in _ROWS:
            match = re.search(pattern, line)
            if match:
                return Guess(sentence.format(*match.groups(), **facts), who, advice), line
    return None


def missing_command(scene: Scene) -> tuple[str, str] | None:
    """The command that a shell says it did not find, and the line in which it says so."""
    for line in reversed(scene.lines):
        match = _NO_COMMAND.search(line.rstrip("\r"))
        if match:
            return match[1], line
    return None
