"""The agent's SQLite file: what must outlive the process, kill -9 included."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL,
    created REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS outbox_kind ON outbox (kind, seq);
CREATE TABLE IF NOT EXISTS signals (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    detected REAL NOT NULL,
    handled REAL
);
CREATE TABLE IF NOT EXISTS commands (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    progress TEXT NOT NULL DEFAULT '{}',
    outcome TEXT,
    reported INTEGER NOT NULL DEFAULT 0,
    started REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

log = logging.getLogger(__name__)


class Store:
    """One connection, shared by the agent's threads under a lock."""

    def __init__(self, path: Path) -> None:
        """Opens ``path``, making it if needed; a file that is no database is set aside.

        Where the disk takes nothing the store is in memory: a full disk must not keep a machine
        from telling of its end.
        """
        self._lock = threading.RLock()
        try:
            self._db = self._open(path)
        except sqlite3.OperationalError as error:
            log.error("the queue is kept in memory only: %s", error)  # noqa: TRY400
            self._db = self._open(None)
        except sqlite3.DatabaseError as error:
            log.error("the queue is damaged and set aside: %s", error)  # noqa: TRY400
            for suffix in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{path}{suffix}").replace(f"{path}.broken{suffix}")
            self._db = self._open(path)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The connection, inside one transaction that is rolled back on an exception."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def set_fact(self, key: str, value: str) -> None:
        """Keeps a small value that ``spotopt-agent status`` shows."""
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (key, value))

    def close(self) -> None:
        """Closes the file; waits for a transaction under way."""
        with self._lock:
            self._db.close()

    @staticmethod
    def _open(path: Optional[Path]) -> sqlite3.Connection:
        db = sqlite3.connect(
            path or ":memory:", timeout=5, isolation_level=None, check_same_thread=False
        )
        try:
            # WAL without a sync at every commit survives the death of the process, not of the
            # power; a machine that is reclaimed loses its disk anyway.
            db.execute("PRAGMA synchronous=OFF")  # nothing to lose yet, and starting waits for it
            db.execute("PRAGMA journal_mode=WAL")
            db.executescript(f"BEGIN; {SCHEMA} COMMIT;")
            db.execute("PRAGMA synchronous=NORMAL")
        except BaseException:
            db.close()
            raise
        if path is not None:
            path.chmod(0o600)
        return db
