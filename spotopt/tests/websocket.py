"""A websocket client of a few lines, for tests against a real server."""

import base64
import json
import os
import socket
from typing import Any


class WebSocket:
    """Connects on construction; `status` is 101 if the server accepted."""

    def __init__(self, port: int, path: str, *, cookie: str = "", timeout: float = 20) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {path} HTTP/1.1", f"Host: localhost:{port}", "Upgrade: websocket",
            "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13",
            f"Origin: http://localhost:{port}", f"Cookie: {cookie}", "", "",
        ]  # fmt: skip
        self.socket.sendall("\r\n".join(lines).encode())
        self.stream = self.socket.makefile("rb")
        self.status = int(self.stream.readline().split()[1])
        while self.stream.readline().strip():
            pass

    def receive(self) -> Any:
        """The next message, as JSON; `EOFError` when the server has closed."""
        opcode, length = self.stream.read(1), self.stream.read(1)
        if not length or opcode[0] & 0x0F == 8:
            raise EOFError
        size = length[0] & 0x7F
        if size == 126:
            size = int.from_bytes(self.stream.read(2), "big")
        return json.loads(self.stream.read(size))

    def close(self) -> None:
        """Hang up."""
        self.stream.close()
        self.socket.close()
