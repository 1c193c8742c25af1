"""The emergency path's safety net: a process of its own, woken by NOTIFY and every two seconds.

It finishes what a crash left behind: sagas whose lease ran out or whose time has come, signals whose
responder died, machines that fell silent, standbys that manual mode lacks, terminations not confirmed.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import psycopg
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from agents import commands, heartbeats
from clients import feed
from replicas import (
    departures,
    ears,
    interruptions,
    leases,
    manual,
    reconcile,
    retirement,
    sagas,
    sef,
    vacancies,
)
from replicas.leases import Clock

log = logging.getLogger(__name__)

EVERY = timedelta(seconds=2)
WORKERS = 8
# (what, how often): each runs in the guard's own thread and must be quick to find nothing.
SWEEPS: tuple[tuple[str, Callable[[Clock], object], timedelta], ...] = (
    ("signals", lambda clock: _resume_signals(clock), timedelta(0)),
    ("suspects", lambda clock: reconcile.check_suspects(clock=clock), timedelta(seconds=1)),
    ("silence", lambda clock: heartbeats.mark_silent(now=clock()), timedelta(seconds=1)),
    ("manual mode", lambda clock: manual.maintain(clock=clock), timedelta(0)),
    ("terminations", lambda clock: retirement.sweep(clock=clock), timedelta(seconds=5)),
    ("vacancies", lambda clock: vacancies.fill(clock=clock), timedelta(seconds=15)),
    ("departures", lambda clock: departures.finish(clock=clock), timedelta(seconds=5)),
    ("commands", lambda clock: commands.expire(now=clock()), timedelta(seconds=30)),
    ("reconcile", lambda clock: reconcile.run(clock=clock), timedelta(seconds=60)),
)


class Guard:
    """Runs until `stop` is set."""

    def __init__(self, *, clock: Clock, stop: threading.Event) -> None:
        self.clock = clock
        self.stop = stop
        self.last: dict[str, datetime] = {}
        self.pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="saga")
        self.listener: psycopg.Connection | None = None
        self.ears = ears.Ears(clock=clock, stop=stop)

    def run(self) -> None:
        """Sweep, wait for a hint or two seconds, sweep again."""
        try:
            while not self.stop.is_set():
                self.sweep()
                self.wait()
        finally:
            self.pool.shutdown(wait=True, cancel_futures=True)
            if self.listener is not None:
                self.listener.close()

    def sweep(self) -> None:
        """Everything that is due now; one part that fails does not stop the others."""
        self._guarded("sagas", self._advance_sagas)
        now = self.clock()
        sweeps = (*SWEEPS, ("queues", lambda _: self.ears.look(), ears.LOOK_FOR_QUEUES))
        for name, action, every in sweeps:
            if now - self.last.get(name, datetime.min.replace(tzinfo=now.tzinfo)) >= every:
                self.last[name] = now
                self._guarded(name, lambda action=action: action(self.clock))  # type: ignore[misc]

    def wait(self) -> None:
        """Until something is due: a hint, or the next sweep."""
        try:
            if self.listener is None or self.listener.closed:
                self.listener = psycopg.connect(settings.DATABASE_DIRECT_URL, autocommit=True)
                self.listener.execute(f"LISTEN {feed.GUARD_CHANNEL}")
            for _ in self.listener.notifies(timeout=EVERY.total_seconds(), stop_after=1):
                pass
        except psycopg.Error as error:
            log.warning("not listening: %s", type(error).__name__)
            if self.listener is not None:
                self.listener.close()
            self.listener = None
            self.stop.wait(EVERY.total_seconds())

    def _advance_sagas(self) -> None:
        for saga_id in leases.due(self.clock()):
            self.pool.submit(self._advance, saga_id)

    def _advance(self, saga_id: object) -> None:
        try:
            sagas.run(saga_id, clock=self.clock)  # type: ignore[arg-type]
        except Exception:
            log.exception("saga %s", saga_id)
        finally:
            close_old_connections()

    def _guarded(self, name: str, action: Callable[[], object]) -> None:
        started = time.monotonic()
        try:
            action()
        except DatabaseError as error:
            log.warning("%s: the database did not answer (%s)", name, type(error).__name__)
            connection.close()
        except Exception:
            log.exception("%s", name)
        took = time.monotonic() - started
        if took > EVERY.total_seconds():
            log.warning("%s took %.1f s", name, took)


def _resume_signals(clock: Clock) -> None:
    for event in interruptions.unanswered(clock()):
        sef.resume(event, clock=clock)
