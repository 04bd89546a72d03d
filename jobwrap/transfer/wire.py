"""HTTP/1.1 on a socket: one connection, its requests and answers, and nothing that knows what they are for.

Not http.client: importing it costs 31 ms here against 4 ms for the socket module alone, and its reads
cost a third more CPU than recv_into with MSG_WAITALL, which sleeps in the kernel until a whole block
is there. requests takes 0.2 s to import; neither meets the budget for many small files.
Deadlines are not kept here: whoever watches a connection calls close_now() from another thread.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

_HEAD_LIMIT = 1 << 16
# A blocked read returns after so long with what is there, so that counters of progress move.
_TICK = struct.pack("@ll", 1, 0)
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([^\r\n]*))?\r?\n")


class BadAnswer(OSError):
    """The other side does not speak HTTP as it should, or broke off."""


class Answer(NamedTuple):
    """Status and headers, whose names are in lower case; several of one name are joined by ", "."""

    status: int
    reason: str
    headers: dict[str, str]

    def number(self, name: str) -> int | None:
        """A header that holds a number; None where it is absent or does not."""
        said = self.headers.get(name, "")
        return int(said) if re.fullmatch("[0-9]{1,18}", said) else None


class Connection:
    """One connection to a server or proxy; one request at a time, each answer read to its end or closed."""

    def __init__(self, host: str, port: int, seconds: float) -> None:
        self._socket = socket.create_connection((host, port), seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._plain = True
        self._set_blocking()
        self._ahead = b""  # received and not yet taken
        self._left: int | None = 0  # of the body; None: until the other side closes
        self._chunked = False
        self.reusable = True

    def _set_blocking(self) -> None:
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TICK)

    def close(self) -> None:
        self._socket.close()

    def close_now(self) -> None:
        """Wake the thread that waits in this connection, from any other thread."""
        self.reusable = False
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is gone already

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting to be read, as it must be before a connection is used again."""
        self._socket.setblocking(False)
        try:
            return not self._ahead and not self._socket.recv(1, socket.MSG_PEEK) and False
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            self._set_blocking()

    def ask(self, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes = b"") -> None:
        """Send a request. ValueError for a header that would break out of its line."""
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a line break in a request header")
        self._socket.sendall("\r\n".join(lines).encode("latin-1") + body)

    def answer(self, method: str) -> Answer:
        """Read an answer's head, past any 1xx; the body is read next."""
        while True:
            answer = _parse_head(self._read_head())
            if answer.status >= 200:  # noqa: PLR2004
                break
        self._frame_body(method, answer)
        return answer

    def _read_head(self) -> bytes:
        got = self._ahead
        while True:
            end = got.find(b"\r\n\r\n")
            if end >= 0:
                self._ahead = got[end + 4 :]
                return got[: end + 4]
            if len(got) > _HEAD_LIMIT:
                raise BadAnswer("the head of its answer does not end")
            more = self._receive(1 << 16)
            if not more:
                raise BadAnswer(
                    "it closed the connection without an answer" if not got else "its answer breaks off"
                )
            got += more

    def _receive(self, count: int) -> bytes:
        while True:
            try:
                return self._socket.recv(count)
            except BlockingIOError:
                continue  # a tick; the watchman judges

    def _frame_body(self, method: str, answer: Answer) -> None:
        """How long the body is (RFC 9112, section 6.3)."""
        self._chunked = False
        self.reusable = "close" not in answer.headers.get("connection", "").lower()
        if method == "HEAD" or answer.status in (204, 304):
            self._left = 0
        elif "transfer-encoding" in answer.headers:
            if answer.headers["transfer-encoding"].lower() != "chunked":
                raise BadAnswer(
                    f"it sends in an encoding that nobody asked for: {answer.headers['transfer-encoding']}"
                )
            self._chunked, self._left = True, 0
        elif "content-length" in answer.headers:
            self._left = answer.number("content-length")
            if self._left is None:
                raise BadAnswer(f"it declares a length that is none: {answer.headers['content-length'][:40]}")
        else:
            self._left, self.reusable = None, False
        if self._chunked:
            self._next_chunk(first=True)

    @property
    def over(self) -> bool:
        """Whether the body was read to its end."""
        return self._left == 0 and not self._chunked

    def readinto(self, block: memoryview) -> int:
        """Bytes of the body put into `block`; 0 at its end. BadAnswer where it breaks off."""
        if self.over:
            return 0
        if self._left is not None:
            block = block[: self._left]
        if self._ahead:
            count = min(len(block), len(self._ahead))
            block[:count] = self._ahead[:count]
            self._ahead = self._ahead[count:]
        else:
            count = self._receive_into(block)
        if self._left is None:
            if not count:
                self._left = 0
            return count
        if not count:
            raise BadAnswer(f"it broke off {self._left} bytes before the end")
        self._left -= count
        if self._chunked and not self._left:
            self._next_chunk(first=False)
        return count

    def _receive_into(self, block: memoryview) -> int:
        while True:
            try:
                if self._plain:
                    return self._socket.recv_into(block, 0, socket.MSG_WAITALL)
                return self._socket.recv_into(block)
            except BlockingIOError:
                continue

    def _next_chunk(self, first: bool) -> None:
        line = self._line() if first else self._line() + self._line()
        size = line.split(b";")[0].strip()
        if not re.fullmatch(b"[0-9A-Fa-f]{1,15}", size):
            raise BadAnswer("it sends a chunk without a length")
        self._left = int(size, 16)
        if not self._left:
            while self._line():
                pass  # trailers: nothing that is used here
            self._chunked = False

    def _line(self) -> bytes:
        while b"\n" not in self._ahead:
            more = self._receive(1 << 16) if len(self._ahead) < _HEAD_LIMIT else b""
            if not more:
                raise BadAnswer("it broke off between two chunks")
            self._ahead += more
        line, _, self._ahead = self._ahead.partition(b"\n")
        return line.rstrip(b"\r")


def _parse_head(head: bytes) -> Answer:
    status = _STATUS.match(head)
    if not status:
        raise BadAnswer("it does not answer in HTTP/1.1")
    headers: dict[str, str] = {}
    for line in head[status.end() :].decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon and name and not name[0].isspace():
            name, value = name.lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Answer(int(status[2]), (status[3] or b"").decode("latin-1"), headers)
