"""The ways in which this machine's part is over."""

from __future__ import annotations

import logging
import sqlite3
import threading

from spotopt_agent import clock
from spotopt_agent.delivery import Delivery
from spotopt_agent.outbox import Events, Outbox
from spotopt_agent.server import ServerError
from spotopt_agent.statedir import FENCED, StateDir
from spotopt_agent.stopping import Stop
from spotopt_agent.workload import Workload

log = logging.getLogger(__name__)


class Ending:
    """Stops the workload and the agent, and leaves a mark so that a restart does the same."""

    def __init__(
        self,
        *,
        statedir: StateDir,
        workload: Workload,
        outbox: Outbox,
        events: Events,
        delivery: Delivery,
        stop: Stop,
    ) -> None:
        self._statedir = statedir
        self._workload = workload
        self._outbox = outbox
        self._events = events
        self._delivery = delivery
        self._stop = stop
        self._lock = threading.Lock()
        self._superseded = False

    def superseded(self) -> None:
        """Another machine is the primary: stop the workload at once and report nothing more."""
        with self._lock:
            if self._superseded:
                return
            self._superseded = True
        log.warning("superseded by another machine: fencing this one")
        self.mark("superseded")
        self._workload.stop()
        try:
            self._outbox.clear()
        except sqlite3.Error:
            log.exception("queue not emptied")
        log.warning("fenced")
        self._stop.request()

    def released(self) -> None:
        """Taken out of management: the workload is left alone, and nothing is left to do."""
        log.warning("this machine is no longer managed; `spotopt-agent rejoin` takes it back")
        self._stop.request()

    def terminated(self) -> None:
        """The server's ``terminate`` has been carried out and reported: deliver the rest and end."""
        self._events.add("fenced", {"reason": "terminate"})
        try:
            self._delivery.step()
        except ServerError as error:
            log.warning("the last events were not delivered: %s", error)
        self._stop.request()

    def mark(self, reason: str) -> None:
        """Leaves the mark."""
        try:
            self._statedir.write(FENCED, {"reason": reason, "at": clock.text(clock.now())})
        except OSError:
            log.exception("the mark of a fenced machine was not written")
