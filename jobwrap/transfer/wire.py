"""HTTP/1.1 on a socket: one connection, its requests and answers, and nothing that knows what they are for.

Not http.client: importing it costs 31 ms here against 4 ms for the socket module alone, and its reads
cost a third more CPU than recv_into with MSG_WAITALL, which sleeps in the kernel until a whole block
is there. requests takes 0.2 s to import. Neither meets the budget for many small files, so requests
serves elsewhere, where one answer is wanted and 0.2 s do not count.
Deadlines are not kept here: whoever watches a connection calls close_now() from another thread.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from jobwrap.transfer.answer import Answer, BadAnswer, parse_head

if TYPE_CHECKING:
    import ssl

_HEAD_LIMIT = 1 << 16
# A blocked read returns after so long with what is there, so that counters of progress move.
_TICK = struct.pack("@ll", 0, 500_000)
_MOST_DIGITS = 15  # of the length of a chunk, in hex
_FIRST_FINAL, _NO_CONTENT, _REDIRECTION, _NOT_MODIFIED = 200, 204, 300, 304
_PATIENCE = 1.0  # RFC 9110, section 10.1.1: a client should not wait for 100-continue without end
_SEND = 1 << 20
# As numbers: adding members of an enum takes longer than the call.
_GLANCE = int(socket.MSG_PEEK) | int(socket.MSG_DONTWAIT)
_ALL = int(socket.MSG_WAITALL)


class Connection:
    """One connection to a server or proxy; one request at a time, each answer read to its end or closed."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TICK)
        self._plain = True
        self._ahead = b""  # received and not yet taken
        self._left: int | None = 0  # of the body, or of its chunk; None: until the other side closes
        self._chunked = False
        self.reusable = True

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Speak TLS from here on; a body that ends without TLS's own end is one that broke off."""
        from socket import socket as whole  # ssl takes no other

        plain = whole(fileno=self._socket.detach())
        self._socket = context.wrap_socket(plain, server_hostname=host, suppress_ragged_eofs=False)
        self._plain = False

    def close(self) -> None:
        self._socket.close()

    def close_now(self) -> None:
        """Wake the thread that waits in this connection, from any other thread."""
        self.reusable = False
        try:
            # The socket's own: that of an SSLSocket takes the TLS away from under its reader.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:
            pass  # it is gone already

    @property
    def idle(self) -> bool:
        """Whether it is open and nothing waits to be read, as it must be before it is used again."""
        if self._ahead:
            return False
        try:
            socket.socket.recv(self._socket, 1, _GLANCE)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False  # closed by the other side, or it said something nobody asked for

    def ask(self, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes = b"") -> None:
        """Send a request. ValueError for a header that would break out of its line."""
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        head = "\r\n".join(lines)
        if head.count("\n") != len(headers) or head.count("\r") != len(headers):
            raise ValueError("a line break in a request header")
        self._socket.sendall(f"{head}\r\n\r\n".encode("latin-1") + body)

    def send_file(self, file: int, start: int, count: int, moved: Callable[[int], None]) -> None:
        """Send `count` bytes of an open file, from `start` on, as a request's body, telling of each block."""
        at, end = start, start + count
        while at < end:
            size = min(_SEND, end - at)
            if self._plain:
                done = os.sendfile(self._socket.fileno(), file, at, size)
            else:
                block = os.pread(file, size, at)
                self._socket.sendall(block)
                done = len(block)
            if not done:
                raise BadAnswer("the file became shorter while it was sent")
            at += done
            moved(done)

    def answer(self, method: str) -> Answer:
        """Read an answer's head, past any 1xx; the body is read next."""
        while (answer := parse_head(self._read_head())).status < _FIRST_FINAL:
            pass
        self._frame_body(method, answer)
        return answer

    def objection(self, method: str) -> Answer | None:
        """After a request with "Expect: 100-continue": the final answer where that comes at once.

        None where the body may be sent: the server says so, or says nothing for a second.
        """
        self._socket.settimeout(_PATIENCE)
        try:
            answer = parse_head(self._read_head())
        except socket.timeout:  # another class before Python 3.10
            return None
        finally:
            self._socket.settimeout(None)
        if answer.status < _FIRST_FINAL:
            return None
        self._frame_body(method, answer)
        return answer

    def _read_head(self) -> bytes:
        while (end := self._ahead.find(b"\r\n\r\n")) < 0:
            if len(self._ahead) > _HEAD_LIMIT:
                raise BadAnswer("the head of its answer does not end")
            more = self._receive(_HEAD_LIMIT)
            if not more:
                raise BadAnswer("its answer breaks off" if self._ahead else "it closed the connection")
            self._ahead += more
        head, self._ahead = self._ahead[: end + 4], self._ahead[end + 4 :]
        return head

    def _receive(self, count: int) -> bytes:
        while True:
            try:
                return self._socket.recv(count)
            except BlockingIOError:
                continue  # a tick; the watchman judges

    def _frame_body(self, method: str, answer: Answer) -> None:
        """How long the body is (RFC 9112, section 6.3)."""
        headers = answer.headers
        self.reusable = "close" not in headers.get("connection", "").lower()
        self._chunked = False
        if (
            method == "HEAD"
            or answer.status in (_NO_CONTENT, _NOT_MODIFIED)
            or (method == "CONNECT" and answer.status < _REDIRECTION)
        ):
            self._left = 0
        elif "transfer-encoding" in headers:
            if headers["transfer-encoding"].lower() != "chunked":
                raise BadAnswer(f"it sends {headers['transfer-encoding'][:40]}, which nobody asked for")
            self._chunked = True
            self._next_chunk()
        elif "content-length" in headers:
            self._left = answer.number("content-length")
            if self._left is None:
                raise BadAnswer(f"it declares a length that is none: {headers['content-length'][:40]}")
        else:
            self._left, self.reusable = None, False

    @property
    def over(self) -> bool:
        """Whether the body was read to its end."""
        return self._left == 0 and not self._chunked

    def readinto(self, block: memoryview) -> int:
        """Bytes of the body put into `block`; 0 at its end. BadAnswer where it breaks off."""
        if self.over:
            return 0
        if self._left is not None and self._left < len(block):
            block = block[: self._left]
        count = self._behind_ahead(block) if self._ahead else self._receive_into(block)
        if self._left is None:
            self._left = None if count else 0
            return count
        if not count:
            raise BadAnswer(f"it broke off {self._left} bytes before the end")
        self._left -= count
        if self._chunked and not self._left:
            self._line()
            self._next_chunk()
        return count

    def _from_ahead(self, block: memoryview) -> int:
        count = min(len(block), len(self._ahead))
        block[:count] = self._ahead[:count]
        self._ahead = self._ahead[count:]
        return count

    def _behind_ahead(self, block: memoryview) -> int:
        """What came with the head, and behind it what makes the block whole.

        All blocks behind it then begin where pages do, in the file too: each page is written at once.
        """
        count = self._from_ahead(block)
        if self._plain and count < len(block):
            try:
                count += self._socket.recv_into(block[count:], 0, _ALL)
            except OSError:
                pass  # what is wrong is found again by the next one to read
        return count

    def _receive_into(self, block: memoryview) -> int:
        while True:
            try:
                if self._plain:
                    return self._socket.recv_into(block, 0, _ALL)
                return self._socket.recv_into(block)
            except BlockingIOError:
                continue

    def _next_chunk(self) -> None:
        """The length of the next chunk; past the last one, whatever follows it (RFC 9112, section 7.1)."""
        size = self._line().split(b";")[0].strip()
        if not 0 < len(size) <= _MOST_DIGITS or size.strip(b"0123456789abcdefABCDEF"):
            raise BadAnswer("it sends a chunk without a length")
        self._left = int(size, 16)
        if not self._left:
            while self._line():
                pass
            self._chunked = False

    def _line(self) -> bytes:
        while b"\n" not in self._ahead:
            more = self._receive(_HEAD_LIMIT) if len(self._ahead) < _HEAD_LIMIT else b""
            if not more:
                raise BadAnswer("it broke off between two chunks")
            self._ahead += more
        line, _, self._ahead = self._ahead.partition(b"\n")
        return line.rstrip(b"\r")
