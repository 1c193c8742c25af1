"""Threads that do one thing again and again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Optional

from spotopt_agent.backoff import Backoff
from spotopt_agent.log import fields
from spotopt_agent.server import Over, ServerError, Unreachable

log = logging.getLogger(__name__)


class Loop:
    """Runs ``step`` in a thread; it returns the seconds until the next one, or None to end.

    A step that fails is repeated with backoff. ``wake`` cuts the wait short.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], Optional[float]],
        stop: threading.Event,
        *,
        backoff: Optional[Backoff] = None,
        wake: Optional[threading.Event] = None,
    ) -> None:
        self.name = name
        self.wake = wake or threading.Event()
        self._step = step
        self._stop = stop
        self._backoff = backoff or Backoff()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begins at once."""
        self._thread.start()

    def join(self, timeout: float) -> None:
        """Waits for its end, which ``stop`` and ``wake`` bring about."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.wake.clear()
            wait = self._once()
            if wait is None:
                return
            if not self._stop.is_set():
                self.wake.wait(wait)

    def _once(self) -> Optional[float]:
        try:
            wait = self._step()
        except Over:
            return None
        except ServerError as error:
            wait = self._backoff.next(at_least=getattr(error, "retry_after", None))
            if not self._stop.is_set():
                level = logging.INFO if isinstance(error, Unreachable) else logging.WARNING
                log.log(
                    level,
                    "the server did not take it: %s",
                    error,
                    extra=fields(loop=self.name, retry_in=round(wait, 1)),
                )
            return wait
        except Exception:
            if self._stop.is_set():
                return None
            log.exception("unexpected failure", extra=fields(loop=self.name))
            return self._backoff.next()
        self._backoff.reset()
        return wait


def in_background(name: str, function: Callable[[], object]) -> threading.Thread:
    """Runs ``function`` once in a thread of its own; that all is over is an ordinary end of it."""

    def run() -> None:
        try:
            function()
        except Over:
            pass
        except ServerError as error:
            log.warning("given up: %s", error, extra=fields(task=name))
        except Exception:
            log.exception("unexpected failure", extra=fields(task=name))

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread
