"""root: and xroot: through xrdcp and xrdfs, which take credentials from the environment as everywhere.

xrdcp writes to its standard output, so that what comes is hashed and judged here as all else is.
"""

from __future__ import annotations

import re

from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.program import Program, Ran, run
from jobwrap.transfer.sink import Sink
from jobwrap.transfer.source import Source
from jobwrap.transfer.trouble import DENIED, NOT_FOUND, SCHEME, UNREACHABLE, Passing, Trouble
from jobwrap.transfer.url import parse

# XRootD protocol, kXR_ error codes, as both programs print them: "[3011]".
_CODES = {
    "3005": (UNREACHABLE, "its server has a file system error"),
    "3010": (DENIED, "it may not be accessed"),
    "3011": (NOT_FOUND, "there is no such file"),
    "3016": (NOT_FOUND, "it is a folder"),
    "3030": (DENIED, "our credentials are not accepted"),
}
_SIZE = re.compile(r"^Size:\s+(\d+)", re.MULTILINE)
_FLAGS = re.compile(r"^Flags:.*\(.*IsDir", re.MULTILINE)


def get(place: str, sink: Sink, attempt: Attempt) -> None:
    size = _stat(place, attempt)
    promised = [] if attempt.checked else _checksum(place, attempt)
    sink.begin(size, promised)
    attempt.total = size
    program = _start(["xrdcp", "--nopbar", "--silent", _url(place), "-"], attempt)
    attempt.streaming()
    program.pour_into(sink)
    ran = program.end()
    if ran.code or sink.offset != size:
        raise _trouble(ran, attempt, f"it broke off after {sink.offset} of {size} bytes")


def probe(place: str, attempt: Attempt) -> None:
    _stat(place, attempt)


def put(source: Source, place: str, attempt: Attempt) -> None:
    """The server keeps the file only once it is whole (POSC) and its adler32 is that of what was sent."""
    digest = source.digest("adler32", attempt)
    attempt.within(attempt.options.deadline, "sending it")
    words = ["xrdcp", "--nopbar", "--silent", "--force", "--posc", "--rm-bad-cksum"]
    path = f"/proc/self/fd/{source.file}"
    try:
        ran = run([*words, "--cksum", f"adler32:{digest}", path, _url(place)], attempt, (source.file,))
    except OSError as error:
        raise _absent(error) from error
    if ran.code and _has_no_checksum(ran):
        ran = run([*words, path, _url(place)], attempt, (source.file,))
        if not ran.code and _stat(place, attempt) != source.size:
            raise Passing("it did not keep all of it")
    if ran.code:
        raise _trouble(ran, attempt, "it was not sent")


def _has_no_checksum(ran: Ran) -> bool:
    return "not supported" in ran.err.lower() and "checksum" in ran.err.lower()


def _stat(place: str, attempt: Attempt) -> int:
    """The file's size."""
    ran = _ask(place, "stat", attempt)
    size = _SIZE.search(ran.out)
    if ran.code or not size:
        raise _trouble(ran, attempt, "its server does not tell its size")
    if _FLAGS.search(ran.out):
        raise Trouble(NOT_FOUND, "it is a folder")
    return int(size[1])


def _checksum(place: str, attempt: Attempt) -> list[tuple[str, str]]:
    """What its server says it should be, where it says so."""
    ran = _ask(place, "query checksum", attempt)
    said = ran.out.split()
    return [(said[0].lower(), said[1])] if not ran.code and len(said) == 2 else []  # noqa: PLR2004


def _ask(place: str, what: str, attempt: Attempt) -> Ran:
    url = parse(_url(place))
    attempt.within(attempt.options.connect + attempt.options.answer, "its answer")
    try:
        return run(
            ["xrdfs", f"{url.scheme}://{url.authority}", *what.split(), f"/{url.path.lstrip('/')}"], attempt
        )
    except OSError as error:
        raise _absent(error) from error


def _url(place: str) -> str:
    """xrdcp's own form of it. A secret in it would be seen by everyone on the node, as all arguments are."""
    url = parse(place)
    if ":" in url.user or "authz=" in url.query:
        raise Trouble(DENIED, "a token in a root: URL could be read by anyone here; BEARER_TOKEN_FILE serves")
    return re.sub("^x(?=root)", "", place)


def _start(words: list[str], attempt: Attempt) -> Program:
    try:
        return Program(words, attempt)
    except OSError as error:
        raise _absent(error) from error


def _absent(error: OSError) -> Trouble:
    return Trouble(SCHEME, f"it takes {error.filename}, which is not on this node")


def _trouble(ran: Ran, attempt: Attempt, otherwise: str) -> Trouble:
    for code, (kind, why) in _CODES.items():
        if f"[{code}]" in ran.err:
            return Trouble(kind, why)
    lines = [line for line in ran.err.splitlines() if line.strip()]
    said = re.sub(r"^\[[^\]]*\]\s*|^Run: ", "", lines[-1])[:200] if lines else otherwise
    return Passing(attempt.reason(OSError(said)))
