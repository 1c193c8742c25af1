"""A clock that the harness moves: minutes of waiting cost nothing."""

import time as real
from collections.abc import Callable
from datetime import datetime, timedelta
from types import ModuleType

from django.utils import timezone

# Somebody who looks every 20 ms whether another has finished looks in vain here: there is one thread.
SHORTEST = 1.0


class MovedClock:
    """The wall's time and what has been skipped; calling it tells the time."""

    def __init__(self) -> None:
        self.skipped = timedelta(0)

    def __call__(self) -> datetime:
        """Now."""
        return timezone.now() + self.skipped

    def skip(self, seconds: float) -> None:
        """Move on."""
        self.skipped += timedelta(seconds=seconds)


class SkippingTime(ModuleType):
    """Stands in for the module `time`: a sleep is a skip, and a moment for the simulated AWS."""

    def __init__(self, clock: MovedClock) -> None:
        super().__init__("time")
        self._clock = clock
        self.monotonic: Callable[[], float] = real.monotonic

    def sleep(self, seconds: float) -> None:
        """Skip it."""
        real.sleep(min(seconds, 0.002))
        self._clock.skip(max(seconds, SHORTEST))
