"""A proxy that loses the reply to the first request of a kind, once its server has done what was asked.

    python3 losing.py METHOD PORT

for the server at PORT. Prints the proxy's own port, and "lost" when it was done.
"""

import contextlib
import socket
import subprocess
import sys
import threading


@contextlib.contextmanager
def losing(method: str, port: int):
    """The port of such a proxy, for the length of a with block in which it must lose a reply."""
    words = [sys.executable, __file__, method, str(port)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()
        assert process.stdout.read() == "lost\n", f"no reply to {method} came by"


class Proxy:
    def __init__(self, method: str, port: int) -> None:
        self.method, self.port = method.encode() + b" ", port
        self.lost = threading.Event()

    def serve(self) -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        print(listening.getsockname()[1], flush=True)
        while True:
            client, _ = listening.accept()
            server, asked = socket.create_connection(("127.0.0.1", self.port)), threading.Event()
            threading.Thread(target=self.requests, args=(client, server, asked)).start()
            threading.Thread(target=self.replies, args=(client, server, asked)).start()

    def requests(self, client, server, asked) -> None:
        with contextlib.suppress(OSError):
            while block := client.recv(1 << 16):
                if block.startswith(self.method):
                    asked.set()
                server.sendall(block)
            server.shutdown(socket.SHUT_WR)

    def replies(self, client, server, asked) -> None:
        with contextlib.suppress(OSError):
            while block := server.recv(1 << 16):
                if (
                    asked.is_set()
                    and block.startswith((b"HTTP/1.1 2", b"HTTP/1.0 2"))
                    and not self.lost.is_set()
                ):
                    self.lost.set()
                    print("lost", flush=True)
                    break
                client.sendall(block)
            client.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    Proxy(sys.argv[1], int(sys.argv[2])).serve()
