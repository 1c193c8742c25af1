"""How long to wait before the next try."""

from __future__ import annotations

import random
from typing import Optional


class Backoff:
    """Exponential waits with jitter, in seconds; ``reset`` after a success."""

    def __init__(self, *, first: float = 1.0, cap: float = 30.0) -> None:
        self.first = first
        self.cap = cap
        self._failures = 0

    def next(self, *, at_least: Optional[float] = None) -> float:
        """The wait after one more failure: half to all of the exponential step.

        ``at_least`` is what a server asked for (Retry-After, in seconds); jitter is added to it, so
        that a fleet told to wait does not come back as one.
        """
        step = min(self.cap, self.first * 2.0 ** min(self._failures, 16))
        self._failures += 1
        wait = random.uniform(step / 2, step)  # noqa: S311 - spreading load, not a secret
        if at_least is not None:
            return at_least + wait / 2
        return wait

    def reset(self) -> None:
        """The next failure counts as the first."""
        self._failures = 0
