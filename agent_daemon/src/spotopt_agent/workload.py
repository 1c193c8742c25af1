"""The workload on this machine, moved by hooks, and what is reported of it."""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import Any, Optional

from spotopt_agent.hooks import TIMED_OUT, Finished, Hooks
from spotopt_agent.identity import Identity
from spotopt_agent.outbox import Events
from spotopt_agent.registration import PRIMARY, STANDBY, Registrar
from spotopt_agent.settings import Settings
from spotopt_agent.statedir import SNAPSHOT, StateDir

STATE_LIMIT = 256 * 1024  # bytes of JSON
STATE_SECONDS = 5.0  # a state hook holds up a heartbeat, so it gets less time than the others

log = logging.getLogger(__name__)


class Workload:
    """Start, quiesce, synchronise, stop. One of these at a time, except that a stop waits for none."""

    def __init__(
        self,
        *,
        settings: Settings,
        identity: Identity,
        statedir: StateDir,
        registrar: Registrar,
        hooks: Hooks,
        events: Events,
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._statedir = statedir
        self._registrar = registrar
        self._hooks = hooks
        self._events = events
        self._turn = threading.RLock()
        self._syncing = threading.Lock()
        self._stopping = threading.Lock()
        self._last_start: Optional[Finished] = None
        self._quiesced = False
        self._fenced = False

    def settle(self) -> None:
        """Brings the machine into the role it is registered in: restored, and started as primary."""
        with self._turn:
            registration = self._registrar.current
            snapshot = self._statedir.read(SNAPSHOT)
            if snapshot is not None:
                if registration is not None and registration.started:
                    log.warning("a snapshot came too late: the workload runs already")
                else:
                    self._run(
                        "restore", self._settings.hook_seconds, stdin=json.dumps(snapshot).encode()
                    )
                self._statedir.remove(SNAPSHOT)
            if registration is not None and registration.role == PRIMARY:
                self.start()

    def start(self) -> Optional[Finished]:
        """Makes this machine the primary and starts the workload, unless that is done already.

        Returns how the start went, also where this process did it before; None where there is no hook.
        """
        with self._turn:
            registration = self._registrar.current
            if registration is None or (registration.role == PRIMARY and registration.started):
                return self._last_start
            return self._start()

    def resume(self) -> Optional[Finished]:
        """Starts the workload again after a quiesce that led to no promotion."""
        with self._turn:
            return self._start() if self._quiesced else None

    def hand_over(self, *, seconds: float) -> Optional[str]:
        """Quiesces, then synchronises for the last time, both within ``seconds``.

        Returns what went wrong, None if nothing did.
        """
        deadline = time.monotonic() + seconds
        quiesced = self._quiesce(deadline)
        # What was not quiet is still better copied than not.
        finished = self.sync(seconds=deadline - time.monotonic())
        if not quiesced:
            return "the quiesce hook failed or ran out of time"
        if finished is not None and finished.exit_code != 0:
            return f"the sync hook ended with {finished.exit_code}"
        return None

    def sync(self, *, seconds: float, report: bool = True) -> Optional[Finished]:
        """Runs the sync hook; None where there is none."""
        deadline = time.monotonic() + seconds
        # Not under the turn: a standby's long sync must not stand in the way of its promotion.
        if not self._syncing.acquire(timeout=max(0.0, seconds)):
            return Finished("sync", TIMED_OUT, seconds)
        try:
            return self._run("sync", deadline - time.monotonic(), report=report)
        finally:
            self._syncing.release()

    def stop(self) -> None:
        """Stops the workload for good, once: other hooks are ended, and none but this is run then."""
        with self._stopping:
            if self._fenced:
                return
            self._fenced = True
            self._hooks.only("fenced")
            finished = self._run("fenced", self._settings.hook_seconds)
            if finished is not None and finished.exit_code == 0:
                self._events.add("workload_stopped", {"hook": "fenced"})

    def state(self) -> Optional[dict[str, Any]]:
        """The state document of a primary; None where there is none, or none fit to be sent."""
        registration = self._registrar.current
        if registration is None or registration.role != PRIMARY or not self._hooks.has("state"):
            return None
        finished = self._run("state", STATE_SECONDS, report=False)
        if finished is None or finished.exit_code != 0:
            return None
        if len(finished.output) > STATE_LIMIT:
            log.warning("the state document is over 256 KiB and not sent")
            return None
        try:
            document = json.loads(finished.output, parse_constant=_refuse)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            log.warning("the state hook wrote no JSON object")
            return None
        return document

    def _quiesce(self, deadline: float) -> bool:
        if not self._turn.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return False
        try:
            if self._quiesced:
                return True
            finished = self._run("quiesce", deadline - time.monotonic())
            self._quiesced = True
            if finished is not None and finished.exit_code == 0:
                self._events.add("workload_stopped", {"hook": "quiesce"})
            return finished is None or finished.exit_code == 0
        finally:
            self._turn.release()

    def _start(self) -> Optional[Finished]:
        if self._fenced:
            return None
        # A standby's background sync must not write below a workload that is starting.
        self._hooks.end_running()
        self._registrar.update(role=PRIMARY, started=False)
        finished = self._last_start = self._run("promoted", self._settings.hook_seconds)
        if self._fenced:
            return finished
        self._quiesced = False
        if finished is not None and finished.exit_code == 0:
            self._events.add("workload_started", {})
        self._registrar.update(started=True)
        return finished

    def _run(
        self, name: str, seconds: float, *, stdin: bytes = b"", report: bool = True
    ) -> Optional[Finished]:
        registration = self._registrar.current
        finished = self._hooks.run(
            name,
            seconds=seconds,
            stdin=stdin,
            SPOTOPT_AGENT_ID=registration.agent_id if registration else "",
            SPOTOPT_INSTANCE_ID=self._identity.instance_id,
            SPOTOPT_ROLE=registration.role if registration else STANDBY,
        )
        if finished is not None and report:
            self._events.add(
                "hook_finished",
                {
                    "hook": name,
                    "exit_code": finished.exit_code,
                    "seconds": finished.seconds,
                },
            )
        return finished


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
