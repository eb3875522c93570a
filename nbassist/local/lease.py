"""A connection that holds the embedded server open; the kernel sees by it when the server is gone."""

from __future__ import annotations

import socket
import urllib.parse

_TIMEOUT = 5.0  # seconds


class Lease:
    """`GET /lease`, whose answer never ends; made by `take`."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    @classmethod
    def take(cls, base_url: str, token: str) -> Lease | None:
        """Ask the server for one; None where no server of ours answers, or it refuses the token."""
        address = urllib.parse.urlsplit(base_url)
        try:
            connection = socket.create_connection((address.hostname, address.port or 80), _TIMEOUT)
        except OSError:
            return None
        try:
            request = f"GET /lease HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {token}\r\n\r\n"
            connection.sendall(request.encode("ascii"))
            head = b""
            while b"\r\n" not in head and len(head) < 4096:
                piece = connection.recv(4096)
                if not piece:
                    break
                head += piece
            if head.split(b" ", 2)[1:2] == [b"200"]:
                connection.setblocking(False)
                return cls(connection)
        except OSError:
            pass
        connection.close()
        return None

    def alive(self) -> bool:
        """Whether the server still holds its end; it sends nothing more until it stops, and then ends the answer."""
        tail = b""
        try:
            while piece := self._connection.recv(4096):
                tail = (tail + piece)[-5:]
                if tail == b"0\r\n\r\n":
                    return False
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Give it back."""
        self._connection.close()
