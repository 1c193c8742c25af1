"""Carries commands out, each on its own thread and once in effect, and reports the outcome."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from spotopt_agent import clock
from spotopt_agent.command_log import CommandLog, Outcome
from spotopt_agent.log import fields
from spotopt_agent.loops import in_background
from spotopt_agent.server import Over, Refused, ServerError, Unauthorised
from spotopt_agent.session import Session
from spotopt_agent.standing import Standing

REPORT_TIMEOUT = 10.0

log = logging.getLogger(__name__)

Action = Callable[[dict[str, Any], dict[str, Any]], Outcome]


class Runner:
    """``actions`` map a command's type to what carries it out, given the command and how far an
    earlier process came; each may be repeated without harm. ``after`` runs once it is reported."""

    def __init__(
        self,
        *,
        session: Session,
        command_log: CommandLog,
        standing: Standing,
        actions: Mapping[str, Action],
        after: Mapping[str, Callable[[], None]],
        stop: threading.Event,
    ) -> None:
        self._session = session
        self._log = command_log
        self._standing = standing
        self._actions = actions
        self._after = after
        self._stop = stop
        self._lock = threading.Lock()
        self._active: set[str] = set()

    def take(self, command: dict[str, Any]) -> None:
        """Begins with a command, unless it is being carried out already."""
        command_id = command.get("command_id")
        if not isinstance(command_id, str):
            log.error("a command without an id is ignored", extra=fields(command=command))
            return
        with self._lock:
            if command_id in self._active:
                return
            self._active.add(command_id)
        in_background(f"command {command_id}", lambda: self._carry_out(command_id, command))

    def resume(self) -> None:
        """Takes up what an earlier process began and did not report."""
        for known in self._log.unreported():
            self.take(known.command)

    def _carry_out(self, command_id: str, command: dict[str, Any]) -> None:
        command_type = str(command.get("command_type"))
        try:
            known = self._log.start(command, now=clock.now())
            outcome = known.outcome
            if outcome is None:
                log.info("command", extra=fields(type=command_type, command_id=command_id))
                outcome = self._execute(command_type, command, known.progress)
                self._log.finish(command_id, outcome)
            self._report(command_id, outcome)
            after = self._after.get(command_type)
            if after is not None and outcome.success:
                after()
        except ServerError:
            if not self._stop.is_set():
                raise
        finally:
            with self._lock:
                self._active.discard(command_id)
            self._standing.wake_commands.set()

    def _execute(
        self, command_type: str, command: dict[str, Any], progress: dict[str, Any]
    ) -> Outcome:
        action = self._actions.get(command_type)
        if action is None:
            return Outcome(False, error=f"this agent knows no command {command_type!r}")
        try:
            return action(command, progress)
        except Over:
            raise
        except ServerError as error:
            if self._stop.is_set():
                raise  # cut short by the agent's own end: the next process takes it up
            return Outcome(False, error=str(error))
        except Exception as error:
            log.exception("command failed", extra=fields(command=command.get("command_id")))
            return Outcome(False, error=f"{type(error).__name__}: {error}")

    def _report(self, command_id: str, outcome: Outcome) -> None:
        log.info(
            "command finished",
            extra=fields(command_id=command_id, success=outcome.success, error=outcome.error),
        )
        try:
            self._session.urgent(
                "POST",
                f"commands/{quote(command_id, safe='')}/executed",
                outcome.body(),
                timeout=REPORT_TIMEOUT,
                remaining=lambda: math.inf,
                stop=self._stop,
                cap=30.0,
            )
        except (Over, Unauthorised):
            raise
        except Refused as error:
            log.warning(
                "the server wants no report: %s", error, extra=fields(command_id=command_id)
            )
        self._log.mark_reported(command_id)
