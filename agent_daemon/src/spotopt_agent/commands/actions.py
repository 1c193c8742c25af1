"""What the short commands do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

from spotopt_agent import clock
from spotopt_agent.command_log import Outcome
from spotopt_agent.handlers.notice import NoticeHandler
from spotopt_agent.hooks import Finished
from spotopt_agent.identity import Identity
from spotopt_agent.session import Session
from spotopt_agent.signals import NOTICE, Signal
from spotopt_agent.standing import Standing
from spotopt_agent.workload import Workload


class Actions:
    """Each takes the command and how far an earlier process came, and may be repeated."""

    def __init__(
        self,
        *,
        session: Session,
        identity: Identity,
        standing: Standing,
        workload: Workload,
        notice: NoticeHandler,
        sync: Callable[[], Optional[Finished]],
        hook_seconds: float,
    ) -> None:
        self._session = session
        self._identity = identity
        self._standing = standing
        self._workload = workload
        self._notice = notice
        self._sync = sync
        self._hook_seconds = hook_seconds

    def promote(self, _command: dict[str, Any], _progress: dict[str, Any]) -> Outcome:
        """This machine is the primary now: start the workload."""
        return _outcome(self._workload.start())

    def update_config(self, _command: dict[str, Any], _progress: dict[str, Any]) -> Outcome:
        """Fetch the configuration again."""
        self.refresh_config()
        return Outcome(True)

    def refresh_config(self) -> None:
        """Fetches the configuration. Raises ServerError."""
        self._standing.apply(self._session.call("GET", "config"))

    def run_sync(self, command: dict[str, Any], _progress: dict[str, Any]) -> Outcome:
        """Synchronise; with ``quiesce``, as the last thing before this machine is replaced."""
        parameters = command.get("parameters") or {}
        if not parameters.get("quiesce"):
            return _outcome(self._sync())
        # The server knows of an end that this machine has had no notice of, or has had it itself.
        signal = self._standing.notice or Signal(
            instance_id=self._identity.instance_id,
            kind=NOTICE,
            time=str(parameters.get("termination_time") or ""),
            detected_at=clock.text(clock.now()),
        )
        problem = self._notice.hand_over(
            signal, seconds=self._standing.config.quiesce_seconds or self._hook_seconds
        )
        return Outcome(problem is None, error=problem)

    def terminate(self, _command: dict[str, Any], _progress: dict[str, Any]) -> Outcome:
        """Stop the workload for good; the agent ends once this is reported."""
        self._workload.stop()
        return Outcome(True)


def _outcome(finished: Optional[Finished]) -> Outcome:
    if finished is None:
        return Outcome(True)
    result = {"exit_code": finished.exit_code, "seconds": finished.seconds}
    if finished.exit_code == 0:
        return Outcome(True, result)
    return Outcome(
        False, result, f"the {finished.hook} hook ended with exit code {finished.exit_code}"
    )
