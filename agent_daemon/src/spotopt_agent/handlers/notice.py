"""The two-minute notice: tell the server, quiesce if it asks for that, tell it again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Optional

from spotopt_agent import clock
from spotopt_agent.log import fields
from spotopt_agent.session import Session
from spotopt_agent.signals import Signal
from spotopt_agent.standing import Standing, report_until, termination_time
from spotopt_agent.workload import Workload

REPORT_TIMEOUT = 15.0  # the server may launch a machine before it answers
FAILOVER_TIMEOUT = 30.0

log = logging.getLogger(__name__)


class NoticeHandler:
    """Deals with a termination notice."""

    def __init__(
        self,
        *,
        session: Session,
        standing: Standing,
        workload: Workload,
        check_standing: Callable[[], None],
        stop: threading.Event,
    ) -> None:
        self._session = session
        self._standing = standing
        self._workload = workload
        self._check_standing = check_standing
        self._stop = stop

    def handle(self, signal: Signal) -> None:
        """Returns when nothing is left to do. Raises ServerError when the server could not be told."""
        answer = self._tell(
            signal,
            "termination",
            {
                "signal_type": signal.kind,
                "termination_time": _time(signal),
                "instance_id": signal.instance_id,
                "detected_at": signal.detected_at,
            },
            REPORT_TIMEOUT,
        )
        log.warning("the server knows", extra=fields(action_taken=answer.get("action_taken")))
        seconds = self._quiesce_seconds(answer.get("quiesce_by"))
        if seconds is None:
            if answer.get("action_taken") == "promoted_replica":
                self._check_standing()
            return
        self.hand_over(signal, seconds=seconds)

    def hand_over(self, signal: Signal, *, seconds: float) -> Optional[str]:
        """Quiesces and synchronises within ``seconds``, then says that it may be replaced.

        The server is told even where a hook failed, since the machine ends all the same; what went
        wrong is returned. Raises ServerError.
        """
        problem = self._workload.hand_over(seconds=seconds)
        if problem is not None:
            log.error("handing over in spite of this: %s", problem)
        ends = termination_time(signal)
        answer = self._tell(
            signal,
            "termination-imminent",
            {
                "termination_time": _time(signal),
                "time_until_termination_seconds": max(
                    0, round((ends - clock.now()).total_seconds())
                ),
                "instance_id": signal.instance_id,
            },
            FAILOVER_TIMEOUT,
        )
        log.warning(
            "handed over",
            extra=fields(new_primary_instance_id=answer.get("new_primary_instance_id")),
        )
        self._check_standing()
        return problem

    def _tell(
        self, signal: Signal, path: str, body: dict[str, Any], timeout: float
    ) -> dict[str, Any]:
        deadline = report_until(signal, now=clock.now())
        return self._session.urgent(
            "POST",
            path,
            body,
            timeout=timeout,
            remaining=lambda: (deadline - clock.now()).total_seconds(),
            stop=self._stop,
        )

    def _quiesce_seconds(self, quiesce_by: Any) -> Optional[float]:
        if quiesce_by is None:
            return None
        try:
            return max(0.0, self._standing.seconds_until(clock.parse(quiesce_by)))
        except ValueError:
            log.warning("quiesce_by is no time", extra=fields(quiesce_by=quiesce_by))
            return self._standing.config.quiesce_seconds


def _time(signal: Signal) -> str:
    # As the metadata service wrote it, where that is a time: the server hears of it on other
    # channels too, and recognises it by this.
    ends = termination_time(signal)
    try:
        clock.parse(signal.time)
    except ValueError:
        return clock.text(ends)
    return signal.time
