"""Things due later: one thread, one heap. Boots, reclaims and the ends of shutdowns wait here."""

from __future__ import annotations

import heapq
import itertools
import sys
import threading
import time
import traceback
from collections.abc import Callable

Task = Callable[[], None]


class Scheduler:
    """Runs callables at wall times, in order. A task must be short; one that fails is
    reported on stderr and doesn't disturb the others."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Task]] = []
        self._count = itertools.count()
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def at(self, moment: float, task: Task) -> None:
        with self._wake:
            heapq.heappush(self._due, (moment, next(self._count), task))
            self._wake.notify()

    def after(self, seconds: float, task: Task) -> None:
        self.at(time.time() + seconds, task)

    def clear(self) -> None:
        """Forget everything that waits."""
        with self._wake:
            self._due.clear()

    def close(self) -> None:
        with self._wake:
            self._closed = True
            self._due.clear()
            self._wake.notify()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while (task := self._next()) is not None:
            try:
                task()
            except Exception:  # noqa: BLE001 - one failing task must not stop the world
                traceback.print_exc(file=sys.stderr)

    def _next(self) -> Task | None:
        with self._wake:
            while not self._closed:
                if not self._due:
                    self._wake.wait()
                    continue
                wait = self._due[0][0] - time.time()
                if wait <= 0:
                    return heapq.heappop(self._due)[2]
                self._wake.wait(wait)
            return None
