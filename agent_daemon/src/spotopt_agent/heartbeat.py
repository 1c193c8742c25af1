"""The heartbeat: says that this machine is alive, hears whether something waits."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from spotopt_agent import __version__
from spotopt_agent.hooks import Hooks
from spotopt_agent.host_metrics import HostMetrics
from spotopt_agent.identity import Identity
from spotopt_agent.log import fields
from spotopt_agent.outbox import Events
from spotopt_agent.registration import PRIMARY, Registrar
from spotopt_agent.server import Refused
from spotopt_agent.session import Session
from spotopt_agent.standing import Standing
from spotopt_agent.workload import Workload

log = logging.getLogger(__name__)


class Heartbeat:
    """One step is one heartbeat."""

    def __init__(
        self,
        *,
        session: Session,
        identity: Identity,
        standing: Standing,
        registrar: Registrar,
        workload: Workload,
        hooks: Hooks,
        events: Events,
        on_promoted: Callable[[], object],
        on_answer: Callable[[], None],
    ) -> None:
        self._session = session
        self._identity = identity
        self._standing = standing
        self._registrar = registrar
        self._workload = workload
        self._hooks = hooks
        self._events = events
        self._on_promoted = on_promoted
        self._on_answer = on_answer
        self._metrics = HostMetrics()
        self._started = time.monotonic()

    def step(self) -> float:
        """Sends one; the seconds until the next. Raises ServerError."""
        began = time.monotonic()
        interval = self._standing.interval(self._standing.config.heartbeat_seconds)
        body = self._body(interval)
        try:
            answer = self._session.call("POST", "heartbeat", body)
        except Refused as error:
            if error.status not in (400, 413, 422) or not ("state" in body or "metrics" in body):
                raise
            # Being alive must be heard even where what is said beside it is not liked.
            log.warning("heartbeat refused, sent again without state and metrics: %s", error)
            bare = {key: body[key] for key in body if key not in ("state", "metrics")}
            answer = self._session.call("POST", "heartbeat", bare)
        self._take(answer)
        self._on_answer()
        return max(0.0, interval - (time.monotonic() - began))

    def _body(self, interval: float) -> dict[str, Any]:
        body: dict[str, Any] = {
            "status": "online",
            "current_mode": self._identity.mode,
            "instance_id": self._identity.instance_id,
            "uptime_seconds": int(time.monotonic() - self._started),
            "interval_seconds": int(interval) if interval == int(interval) else round(interval, 3),
            "hooks": self._hooks.present(),
            "agent_version": __version__,
        }
        metrics = self._metrics.read()
        if metrics is not None:
            body["metrics"] = metrics
        state = self._workload.state()
        if state is not None:
            body["state"] = state
        return body

    def _take(self, answer: dict[str, Any]) -> None:
        offset = self._standing.note_server_time(answer.get("server_time"))
        if offset is not None:
            log.warning("the clocks differ", extra=fields(server_minus_agent=round(offset, 1)))
            self._events.add("clock_skew", {"seconds": round(offset, 1)})
        registration = self._registrar.current
        if (
            answer.get("role") == PRIMARY
            and registration is not None
            and registration.role != PRIMARY
        ):
            # The promote command brings this sooner; the heartbeat still knows when that is lost.
            self._on_promoted()
        if answer.get("has_pending_commands"):
            self._standing.wake_commands.set()
