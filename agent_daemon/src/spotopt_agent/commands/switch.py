"""A planned switch: ask for a machine in the target pool, wait, hand over, ask for its promotion."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Optional
from urllib.parse import quote

from spotopt_agent import clock
from spotopt_agent.command_log import CommandLog, Outcome
from spotopt_agent.log import fields
from spotopt_agent.server import Over, Refused, ServerError, Unauthorised, Unreachable
from spotopt_agent.session import Session
from spotopt_agent.standing import Standing
from spotopt_agent.workload import Workload

POLL_SECONDS = 2.0
LAUNCH_TIMEOUT = 30.0
PROMOTE_TIMEOUT = 30.0
WITHOUT_EXPIRY = timedelta(minutes=30)
COMING = ("ready", "promoting", "promoted")
GONE = ("failed", "terminating", "terminated")

log = logging.getLogger(__name__)


class Abandoned(Exception):
    """The switch cannot be completed; the message is for the command's outcome."""


class Switch:
    """One at a time; a second one waits for the first."""

    def __init__(
        self,
        *,
        session: Session,
        command_log: CommandLog,
        standing: Standing,
        workload: Workload,
        hook_seconds: float,
        stop: threading.Event,
    ) -> None:
        self._session = session
        self._log = command_log
        self._standing = standing
        self._workload = workload
        self._hook_seconds = hook_seconds
        self._stop = stop
        self._turn = threading.Lock()

    def __call__(self, command: dict[str, Any], progress: dict[str, Any]) -> Outcome:
        """Carries the command out, from where ``progress`` says an earlier process came to."""
        with self._turn:
            return self._run(command, progress)

    def _run(self, command: dict[str, Any], progress: dict[str, Any]) -> Outcome:
        began = clock.now()
        if "began" in progress:
            began = clock.parse(progress["began"])
        try:
            deadline = clock.parse(command.get("expires_at"))
        except ValueError:
            deadline = began + WITHOUT_EXPIRY

        def remaining() -> float:
            return self._standing.seconds_until(deadline)

        replica_id = progress.get("replica_id")
        try:
            if replica_id is None:
                replica_id = self._ask(command, remaining)
                self._log.note_progress(
                    command["command_id"],
                    {"replica_id": replica_id, "began": clock.text(began)},
                )
            self._wait_until_ready(replica_id, remaining)
            self._hand_over()
            answer = self._promote(replica_id, remaining)
        except Abandoned as error:
            self._give_up(replica_id)
            return Outcome(False, error=str(error))
        return Outcome(
            True,
            {
                "new_instance_id": answer.get("new_primary_instance_id"),
                "switch_duration_seconds": round((clock.now() - began).total_seconds(), 1),
            },
        )

    def _ask(self, command: dict[str, Any], remaining: Callable[[], float]) -> str:
        parameters = command.get("parameters") or {}
        body = {
            "replica_type": "switch",
            "pool_id": parameters.get("target_pool_id"),
            "mode": parameters.get("target_mode"),
            "command_id": command["command_id"],
        }
        answer = self._urgent("POST", "replicas", body, LAUNCH_TIMEOUT, remaining)
        replica_id = answer.get("replica_id")
        if not isinstance(replica_id, str):
            raise Abandoned("the server named no replica")
        return replica_id

    def _wait_until_ready(self, replica_id: str, remaining: Callable[[], float]) -> None:
        while True:
            try:
                status = self._status(replica_id)
            except Unreachable:
                status = None  # the server's absence is no news of the replica
            if status in COMING:
                return
            if status in GONE:
                raise Abandoned(f"the new machine is {status}")
            if remaining() <= 0:
                raise Abandoned("the new machine was not ready before the command expired")
            if self._stop.wait(self._standing.interval(POLL_SECONDS)):
                raise Unreachable("stopped")

    def _hand_over(self) -> None:
        # A planned switch may fail harmlessly, so unlike an emergency it insists on its hooks.
        problem = self._workload.hand_over(
            seconds=self._standing.config.quiesce_seconds or self._hook_seconds
        )
        if problem is not None:
            raise Abandoned(problem)

    def _promote(self, replica_id: str, remaining: Callable[[], float]) -> dict[str, Any]:
        path = f"replicas/{quote(replica_id, safe='')}/promote"
        while True:
            try:
                return self._urgent("POST", path, {}, PROMOTE_TIMEOUT, remaining)
            except (Unreachable, Unauthorised):
                # It may have been done all the same. Starting the workload again is right only
                # where the server says that it was not, so that is waited for.
                if self._stop.is_set():
                    raise
            try:
                if self._status(replica_id) not in ("promoting", "promoted"):
                    raise Abandoned("the promotion was not accepted before the command expired")
            except (Unreachable, Unauthorised) as error:
                log.warning("whether the promotion was done is not known: %s", error)
            if self._stop.wait(self._standing.interval(POLL_SECONDS)):
                raise Unreachable("stopped")

    def _status(self, replica_id: str) -> Optional[str]:
        answer = self._session.call("GET", "replicas")
        replicas = answer.get("replicas")
        for replica in replicas if isinstance(replicas, list) else []:
            if isinstance(replica, dict) and replica.get("replica_id") == replica_id:
                return str(replica.get("status"))
        return None

    def _urgent(
        self,
        method: str,
        path: str,
        body: dict[str, Any],
        timeout: float,
        remaining: Callable[[], float],
    ) -> dict[str, Any]:
        try:
            return self._session.urgent(
                method,
                path,
                body,
                timeout=timeout,
                remaining=remaining,
                stop=self._stop,
                cap=5.0,
            )
        except (Over, Unauthorised):
            raise
        except Refused as error:
            raise Abandoned(str(error)) from None

    def _give_up(self, replica_id: Optional[str]) -> None:
        # Under notice the workload was quiesced for the emergency, which goes on.
        if self._standing.notice is None:
            self._workload.resume()
        if replica_id is not None:
            try:
                self._session.call("DELETE", f"replicas/{quote(replica_id, safe='')}")
            except Over:
                raise
            except ServerError as error:
                log.warning(
                    "the replica was not deleted: %s", error, extra=fields(replica_id=replica_id)
                )
