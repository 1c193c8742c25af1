"""What this machine knows of its own situation: configuration, the server's clock, notices."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any, Optional

from spotopt_agent import clock, config
from spotopt_agent.config import Config
from spotopt_agent.signals import NOTICE, Signal

NOTICE_SECONDS = 120.0  # from the notice to the end, best effort
RECOMMENDATION_SECONDS = 900.0  # for which a rebalance recommendation is news
STALE_SECONDS = 60.0  # after its time a notice that was not carried out is old news
LEAST_SECONDS = (
    15.0  # for which a notice is reported, whatever this machine's clock says of its time
)


class Standing:
    """Shared by the agent's threads; each field has one writer and is replaced as a whole."""

    def __init__(self, *, scale: float) -> None:
        self.scale = scale
        self.config = Config()
        self.clock_offset = 0.0  # the server's clock minus ours, in seconds
        self.notice: Optional[Signal] = None
        self.watched = False  # whether commands should reach this machine at once
        self.wake_commands = threading.Event()  # set when there may be commands to fetch

    def apply(self, value: Any) -> None:
        """Takes over the configuration that the server answered."""
        self.config = config.parse(value)

    def see(self, signal: Signal) -> None:
        """From now on commands and fencing should arrive at once."""
        if signal.kind == NOTICE:
            self.notice = signal
        self.watched = True
        self.wake_commands.set()

    def interval(self, seconds: float) -> float:
        """``seconds`` times the agent's scale."""
        return config.scaled(seconds, self.scale)

    def seconds_until(self, moment: datetime) -> float:
        """Seconds until a moment that the server named, by the server's clock."""
        return (moment - clock.now()).total_seconds() - self.clock_offset

    def note_server_time(self, text: Any) -> Optional[float]:
        """Keeps how far the clocks are apart; the offset if it changed by more than 30 s."""
        try:
            offset = (clock.parse(text) - clock.now()).total_seconds()
        except ValueError:
            return None
        if abs(offset) < 2:  # no more than what an answer takes to arrive
            offset = 0.0
        changed = abs(offset - self.clock_offset) > 30
        self.clock_offset = offset
        return offset if changed else None


def termination_time(signal: Signal) -> datetime:
    """When the machine ends: the notice's time, or two minutes after it was seen."""
    try:
        return clock.parse(signal.time)
    except ValueError:
        return clock.parse(signal.detected_at) + timedelta(seconds=NOTICE_SECONDS)


def report_until(signal: Signal, *, now: datetime) -> datetime:
    """How long it is worth telling the server of a signal."""
    if signal.kind == NOTICE:
        return max(termination_time(signal), now + timedelta(seconds=LEAST_SECONDS))
    return clock.parse(signal.detected_at) + timedelta(seconds=RECOMMENDATION_SECONDS)


def is_stale(signal: Signal, *, now: datetime) -> bool:
    """Whether a signal that was kept on disk has lost its meaning.

    A machine that was stopped and started again must not be failed over for the notice before.
    """
    if signal.kind == NOTICE:
        return now > termination_time(signal) + timedelta(seconds=STALE_SECONDS)
    return now > report_until(signal, now=now)
