"""Interruption signals seen by this machine, and which of them have been dealt with."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from dataclasses import asdict, dataclass
from datetime import datetime

from spotopt_agent.store import Store

NOTICE = "termination-notice"
REBALANCE = "rebalance-recommendation"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Signal:
    """One signal. ``time`` is as the metadata service wrote it, ``detected_at`` is ours."""

    instance_id: str
    kind: str
    time: str
    detected_at: str
    action: str = ""

    @property
    def id(self) -> str:
        """Stable: the metadata service gives none, so it is (instance, kind, time)."""
        return f"{self.instance_id}:{self.kind}:{self.time}"


class Signals:
    """The log of signals on disk. A disk that fails costs the memory, never the reaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._known: set[str] = set()

    def record(self, signal: Signal, *, now: datetime) -> bool:
        """Keeps ``signal``; True if it had not been seen before, by this process or an earlier one."""
        with self._lock:
            if signal.id in self._known:
                return False
            self._known.add(signal.id)
        try:
            with self._store.transaction() as db:
                added = db.execute(
                    "INSERT OR IGNORE INTO signals (id, body, detected) VALUES (?, ?, ?)",
                    (signal.id, json.dumps(asdict(signal)), now.timestamp()),
                ).rowcount
        except sqlite3.Error:
            log.exception("signal not kept on disk")
            return True
        return added == 1

    def kept(self) -> list[tuple[Signal, bool]]:
        """Signals that an earlier process saw, oldest first, and whether it finished with them."""
        with self._store.transaction() as db:
            rows = db.execute(
                "SELECT body, handled IS NOT NULL FROM signals ORDER BY detected"
            ).fetchall()
        return [(Signal(**json.loads(body)), bool(handled)) for body, handled in rows]

    def mark_handled(self, signal: Signal, *, now: datetime) -> None:
        """Notes that nothing is left to do about ``signal``."""
        try:
            with self._store.transaction() as db:
                db.execute(
                    "UPDATE signals SET handled = ? WHERE id = ?", (now.timestamp(), signal.id)
                )
        except sqlite3.Error:
            log.exception("signal not marked as handled")
