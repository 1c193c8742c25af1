"""The rebalance recommendation: the server decides whether a standby is worth it."""

from __future__ import annotations

import logging
import threading

from spotopt_agent import clock
from spotopt_agent.log import fields
from spotopt_agent.session import Session
from spotopt_agent.signals import Signal
from spotopt_agent.standing import report_until

TIMEOUT = 15.0

log = logging.getLogger(__name__)


class RebalanceHandler:
    """Deals with a rebalance recommendation."""

    def __init__(self, *, session: Session, stop: threading.Event) -> None:
        self._session = session
        self._stop = stop

    def handle(self, signal: Signal) -> None:
        """Returns when the server has heard of it. Raises ServerError when it could not be told."""
        deadline = report_until(signal, now=clock.now())
        answer = self._session.urgent(
            "POST",
            "create-emergency-replica",
            {
                "signal_type": signal.kind,
                "detected_at": signal.detected_at,
                "instance_id": signal.instance_id,
            },
            timeout=TIMEOUT,
            remaining=lambda: (deadline - clock.now()).total_seconds(),
            stop=self._stop,
            cap=10.0,
        )
        log.warning(
            "the server knows",
            extra=fields(
                replica_created=answer.get("replica_created"), replica_id=answer.get("replica_id")
            ),
        )
