"""Runs the monitors: signal, store, handler."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Optional

from spotopt_agent import clock
from spotopt_agent.backoff import Backoff
from spotopt_agent.log import fields
from spotopt_agent.metadata import Metadata, MetadataError, Throttled
from spotopt_agent.signals import Signal, Signals
from spotopt_agent.standing import Standing

SAME_ERRORS = 3

log = logging.getLogger(__name__)

Monitor = Callable[[Metadata, str], Optional[Signal]]


class Watch:
    """One step asks every monitor once. The same error three times in a row is ``on_broken``'s."""

    def __init__(
        self,
        *,
        monitors: Sequence[Monitor],
        metadata: Metadata,
        instance_id: str,
        standing: Standing,
        signals: Signals,
        handle: Callable[[Signal], None],
        on_broken: Callable[[str], None],
    ) -> None:
        self._monitors = monitors
        self._metadata = metadata
        self._instance_id = instance_id
        self._standing = standing
        self._signals = signals
        self._handle = handle
        self._on_broken = on_broken
        self._backoff = Backoff(first=2.0, cap=10.0)
        self._last_error = ""
        self._in_a_row = 0

    def step(self) -> float:
        """The seconds until the next look."""
        interval = self._standing.interval(self._standing.config.metadata_poll_seconds)
        try:
            for monitor in self._monitors:
                signal = monitor(self._metadata, self._instance_id)
                if signal is not None and self._signals.record(signal, now=clock.now()):
                    log.warning(
                        "signal seen",
                        extra=fields(kind=signal.kind, at=signal.time, action=signal.action),
                    )
                    self._handle(signal)
        except Throttled:
            return interval + self._standing.interval(self._backoff.next())
        except MetadataError as error:
            self._count(str(error))
            return interval
        self._backoff.reset()
        self._last_error = ""
        return interval

    def _count(self, error: str) -> None:
        self._in_a_row = self._in_a_row + 1 if error == self._last_error else 1
        self._last_error = error
        log.warning("metadata: %s", error, extra=fields(in_a_row=self._in_a_row))
        if self._in_a_row >= SAME_ERRORS:
            self._in_a_row = 0
            self._on_broken(error)
