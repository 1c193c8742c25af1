"""What waits to be delivered: events and price reports, in order, bounded by age and size."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from spotopt_agent import clock
from spotopt_agent.log import fields
from spotopt_agent.store import Store

EVENT = "event"
PRICE = "price"
KEEP_SECONDS = {EVENT: 7 * 86400.0, PRICE: 90 * 86400.0}
MAX_ROWS = 50_000
MAX_BYTES = 20_000_000
TRIM_EVERY = 64  # additions between two looks at the bounds

log = logging.getLogger(__name__)


class Entry(NamedTuple):
    """One thing to deliver."""

    seq: int
    body: dict[str, Any]


class Outbox:
    """The queue on disk; ``added`` is set whenever something was put into it."""

    def __init__(
        self, store: Store, *, max_rows: int = MAX_ROWS, max_bytes: int = MAX_BYTES
    ) -> None:
        self._store = store
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._since_trim = 0
        self.added = threading.Event()

    def add(self, kind: str, identity: str, body: dict[str, Any], *, now: datetime) -> None:
        """Queues ``body``; a second one of the same ``identity`` is dropped."""
        with self._store.transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO outbox (kind, id, body, created) VALUES (?, ?, ?, ?)",
                (kind, identity, json.dumps(body), now.timestamp()),
            )
        self._since_trim += 1
        if self._since_trim >= TRIM_EVERY:
            self._since_trim = 0
            self.trim(now=now)
        self.added.set()

    def head(self, kind: str, limit: int) -> list[Entry]:
        """The oldest ``limit`` entries of one kind."""
        with self._store.transaction() as db:
            rows = db.execute(
                "SELECT seq, body FROM outbox WHERE kind = ? ORDER BY seq LIMIT ?", (kind, limit)
            ).fetchall()
        return [Entry(seq, json.loads(body)) for seq, body in rows]

    def remove(self, entries: Iterable[Entry]) -> None:
        """Forgets what has been delivered."""
        with self._store.transaction() as db:
            db.executemany("DELETE FROM outbox WHERE seq = ?", [(entry.seq,) for entry in entries])

    def clear(self) -> None:
        """Forgets everything."""
        with self._store.transaction() as db:
            db.execute("DELETE FROM outbox")

    def count(self) -> int:
        """How many entries wait."""
        with self._store.transaction() as db:
            return int(db.execute("SELECT count(*) FROM outbox").fetchone()[0])

    def trim(self, *, now: datetime) -> int:
        """Drops what is too old, and the oldest (prices before events) of what is too much.

        Returns how many entries were dropped.
        """
        with self._store.transaction() as db:
            dropped = 0
            for kind, seconds in KEEP_SECONDS.items():
                dropped += db.execute(
                    "DELETE FROM outbox WHERE kind = ? AND created < ?",
                    (kind, now.timestamp() - seconds),
                ).rowcount
            # Newest first and events first: whatever comes after the bounds are reached goes.
            dropped += db.execute(
                """DELETE FROM outbox WHERE seq IN (
                    SELECT seq FROM (
                        SELECT seq,
                            row_number() OVER kept AS place,
                            sum(length(body)) OVER kept AS size
                        FROM outbox
                        WINDOW kept AS (
                            ORDER BY kind = ? DESC, seq DESC ROWS UNBOUNDED PRECEDING
                        )
                    ) WHERE place > ? OR size > ?)""",
                (EVENT, self._max_rows, self._max_bytes),
            ).rowcount
        if dropped:
            log.warning(
                "queue over its bounds: oldest entries dropped", extra=fields(count=dropped)
            )
        return dropped


class Events:
    """Makes events and queues them."""

    def __init__(self, outbox: Outbox, instance_id: str) -> None:
        self._outbox = outbox
        self._instance_id = instance_id

    def add(self, kind: str, data: dict[str, Any], *, event_id: str = "") -> None:
        """Queues an event that happened now; its id is made here, once, unless it has one."""
        now = clock.now()
        at = clock.text(now)
        event_id = event_id or f"{self._instance_id}:{kind}:{at}:{os.urandom(4).hex()}"
        body = {"event_id": event_id[:128], "kind": kind, "at": at, "data": data}
        try:
            self._outbox.add(EVENT, event_id, body, now=now)
        except sqlite3.Error:
            log.exception(
                "event not queued", extra=fields(kind=kind)
            )  # a report, never worth a stop
