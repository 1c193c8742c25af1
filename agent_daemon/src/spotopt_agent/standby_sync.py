"""A standby's own synchronisation: the sync hook now and again, and how it went."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, Optional
from urllib.parse import quote

from spotopt_agent import clock
from spotopt_agent.hooks import Finished
from spotopt_agent.log import fields
from spotopt_agent.registration import STANDBY, Registrar
from spotopt_agent.session import Session
from spotopt_agent.standing import Standing
from spotopt_agent.workload import Workload

EVERY_SECONDS = 60.0

log = logging.getLogger(__name__)


class StandbySync:
    """One step is one run of the hook; it ends when the machine is no standby any more."""

    def __init__(
        self,
        *,
        session: Session,
        registrar: Registrar,
        standing: Standing,
        workload: Workload,
        seconds: float,
    ) -> None:
        self._session = session
        self._registrar = registrar
        self._standing = standing
        self._workload = workload
        self._seconds = seconds
        self._last: Optional[datetime] = None

    def step(self) -> Optional[float]:
        """The seconds until the next one, None when there will be none. Raises ServerError."""
        if not self._is_standby():
            return None
        if self._standing.config.sync_kind == "hook":
            if self._last is None:
                self._tell("syncing")
            self.once()
        return self._standing.interval(EVERY_SECONDS)

    def once(self) -> Optional[Finished]:
        """Synchronises, and tells the server if this is a standby. Raises ServerError."""
        began = clock.now()
        finished = self._workload.sync(seconds=self._seconds, report=not self._is_standby())
        if not self._is_standby():
            return finished
        if finished is not None and finished.exit_code == 0:
            self._last = began
            self._tell("synced")
        else:
            # A standby that should be synchronised and has no hook for it holds nobody's data.
            if finished is None:
                log.error("there is no sync hook, though the configuration asks for one")
            self._tell("failed")
        return finished

    def _is_standby(self) -> bool:
        registration = self._registrar.current
        return registration is not None and registration.role == STANDBY

    def _tell(self, status: str) -> None:
        registration = self._registrar.current
        if registration is None or registration.replica_id is None:
            return
        body: dict[str, Any] = {"sync_status": status}
        if self._last is not None:
            # What was synchronised is as old as the beginning of the run that did it.
            body["last_sync_timestamp"] = clock.text(self._last)
            body["lag_seconds"] = max(0, round((clock.now() - self._last).total_seconds()))
        replica = quote(registration.replica_id, safe="")
        self._session.call("POST", f"replicas/{replica}/sync-status", body)
        log.debug("sync status told", extra=fields(**body))
