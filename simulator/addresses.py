"""Private addresses of simulated machines: a /16 of the loopback network per simulator.

The block follows from the port; a socket held in it shows other simulators that it is taken,
and is freed by the system however this process ends.
"""

from __future__ import annotations

import socket
from threading import Lock

METADATA_PORT = 1338
_BLOCKS = 238  # 127.16.0.0/16 up to 127.253.0.0/16
_FIRST = 16


class NoAddressLeft(RuntimeError):
    """The block, or every block, is taken."""


class AddressBlock:
    """Hands out addresses of one /16; freed ones come back only when the rest is used up,
    so that a new machine doesn't inherit the connections of one just gone."""

    def __init__(self, port: int) -> None:
        self._lock = Lock()
        self._holder, self.block = _claim(port)
        self._next = 256
        self._free: list[str] = []

    def allocate(self) -> str:
        with self._lock:
            while self._next < 65_000:
                number = self._next
                self._next += 1
                if number % 256 not in (0, 255):
                    return f"127.{self.block}.{number // 256}.{number % 256}"
            if self._free:
                return self._free.pop(0)
        raise NoAddressLeft(f"127.{self.block}.0.0/16 is used up")

    def release(self, address: str) -> None:
        with self._lock:
            self._free.append(address)

    def close(self) -> None:
        self._holder.close()


def _claim(port: int) -> tuple[socket.socket, int]:
    for step in range(_BLOCKS):
        block = _FIRST + (port + step) % _BLOCKS
        holder = socket.socket()
        try:
            holder.bind((f"127.{block}.255.254", METADATA_PORT))
            holder.listen(1)
        except OSError:
            holder.close()
            continue
        return holder, block
    raise NoAddressLeft("every block of the loopback network is taken")
