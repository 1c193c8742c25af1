"""From a stored signal to its handler: each on its own thread, and marked when it is done with."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Protocol

from spotopt_agent import clock
from spotopt_agent.log import fields
from spotopt_agent.loops import in_background
from spotopt_agent.outbox import Events
from spotopt_agent.server import Over, ServerError
from spotopt_agent.signals import Signal, Signals
from spotopt_agent.standing import Standing, is_stale, termination_time


class Handler(Protocol):
    """Deals with one kind of signal."""

    def handle(self, signal: Signal) -> None:
        """Returns when nothing is left to do, raises ServerError when it could not be done."""


log = logging.getLogger(__name__)


class Dispatch:
    """Starts handlers."""

    def __init__(
        self,
        *,
        handlers: Mapping[str, Handler],
        signals: Signals,
        standing: Standing,
        events: Events,
        stop: threading.Event,
    ) -> None:
        self._handlers = handlers
        self.signals = signals
        self._standing = standing
        self._events = events
        self._stop = stop
        self._lock = threading.Lock()
        self._busy = 0

    def start(self, signal: Signal) -> None:
        """Handles a new signal, in the background."""
        with self._lock:
            self._busy += 1
        in_background(signal.kind, lambda: self._handle(signal))
        self._standing.see(signal)
        self._events.add(
            "notice_seen", {"kind": signal.kind, "time": signal.time}, event_id=signal.id
        )

    def resume(self) -> None:
        """Takes up what an earlier process saw: goes on with what it did not finish."""
        for signal, handled in self.signals.kept():
            if is_stale(signal, now=clock.now()):
                if not handled:
                    log.warning("a signal of long ago is left alone", extra=fields(at=signal.time))
                    self.signals.mark_handled(signal, now=clock.now())
            elif handled:
                self._standing.see(signal)
            else:
                log.warning("taking up a signal again", extra=fields(kind=signal.kind))
                self.start(signal)

    def under_way(self) -> bool:
        """Whether a signal is being handled, or a notice's time still lies ahead."""
        notice = self._standing.notice
        return self._busy > 0 or (notice is not None and clock.now() < termination_time(notice))

    def _handle(self, signal: Signal) -> None:
        try:
            self._handlers[signal.kind].handle(signal)
        except Over:
            raise
        except ServerError as error:
            if self._stop.is_set():
                return  # the next process takes it up
            log.error("signal not reported: %s", error, extra=fields(kind=signal.kind))  # noqa: TRY400
        finally:
            with self._lock:
                self._busy -= 1
        self.signals.mark_handled(signal, now=clock.now())
