"""How the agent comes to an end, from a signal or from any of its threads."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from typing import Optional

CLEAN = 0
FAILED = 1
BAD_SETTINGS = 2
METADATA_BROKEN = 3


class Stop:
    """Asked for once, with an exit code; the main thread waits here."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.exit_code = CLEAN
        self._lock = threading.Lock()
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)

    def request(self, exit_code: int = CLEAN) -> None:
        """Asks for the end; the first one's exit code stands."""
        with self._lock:
            if not self.event.is_set():
                self.exit_code = exit_code
                self.event.set()
        with contextlib.suppress(BlockingIOError):  # full: then there is plenty to wake up by
            os.write(self._write, b"s")

    def on_signals(self) -> None:
        """SIGTERM and SIGINT ask for the end. Only in the main thread.

        They go through a pipe: a handler that took the lock of an Event could stand in its own way.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)

    def wait(self) -> int:
        """Returns the exit code once the end has been asked for."""
        self.pause(None)
        return self.exit_code

    def pause(self, seconds: Optional[float]) -> bool:
        """Waits, at most ``seconds``; whether the end has been asked for. Only in the main thread."""
        readable, _, _ = select.select([self._read], [], [], seconds)
        if readable:
            self.request()
        return self.event.is_set()
