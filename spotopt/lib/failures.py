"""Counting failures per key over a sliding window, in bounded memory, in this process."""

import math
import threading
import time
from collections import OrderedDict, deque

KEYS = 10_000  # beyond this the key that failed longest ago is forgotten


class FailureCounter:
    """At most `limit` failures per key within `window_seconds`; thread-safe."""

    def __init__(self, *, limit: int, window_seconds: float) -> None:
        self.limit = limit
        self.window_seconds = window_seconds
        self._times: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, key: str, *, at: float | None = None) -> int:
        """Note a failure; 0 while within the limit, else seconds until the next may come."""
        at = time.monotonic() if at is None else at
        with self._lock:
            wait = self._wait(key, at)
            if not wait:
                self._times.setdefault(key, deque()).append(at)
                self._times.move_to_end(key)
                while len(self._times) > KEYS:
                    self._times.popitem(last=False)
            return wait

    def wait(self, key: str, *, at: float | None = None) -> int:
        """Seconds until another attempt may fail; 0 while within the limit. Notes nothing."""
        with self._lock:
            return self._wait(key, time.monotonic() if at is None else at)

    def forget(self, key: str) -> None:
        """It succeeded: start anew."""
        with self._lock:
            self._times.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._times.clear()

    def _wait(self, key: str, at: float) -> int:
        times = self._times.get(key)
        if times is None:
            return 0
        while times and times[0] <= at - self.window_seconds:
            times.popleft()
        if not times:
            del self._times[key]
            return 0
        if len(times) < self.limit:
            return 0
        return max(1, math.ceil(times[0] + self.window_seconds - at))
