"""Commands received, how far each has come, and what came of it."""

from __future__ import annotations

import json
import logging
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Optional

from spotopt_agent.store import Store

KEEP_SECONDS = 7 * 86400.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What ``executed`` is told."""

    success: bool
    result: Optional[dict[str, Any]] = None
    error: Optional[str] = None

    def body(self) -> dict[str, Any]:
        """As the server takes it."""
        return {"success": self.success, "result": self.result or {}, "error": self.error}


@dataclass(frozen=True)
class Known:
    """A command in the log; ``outcome`` is None until it has been carried out."""

    command: dict[str, Any]
    progress: dict[str, Any]
    outcome: Optional[Outcome]
    reported: bool


class CommandLog:
    """The log on disk: a command is carried out once, and reported until the server has heard it.

    A disk that fails costs the memory across a restart, never the promotion.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def start(self, command: dict[str, Any], *, now: datetime) -> Known:
        """Notes the command before anything is done, and says what is known of it already."""
        try:
            with self._store.transaction() as db:
                db.execute(
                    "DELETE FROM commands WHERE started < ?", (now.timestamp() - KEEP_SECONDS,)
                )
                db.execute(
                    "INSERT OR IGNORE INTO commands (id, body, started) VALUES (?, ?, ?)",
                    (command["command_id"], json.dumps(command), now.timestamp()),
                )
                row = db.execute(
                    "SELECT body, progress, outcome, reported FROM commands WHERE id = ?",
                    (command["command_id"],),
                ).fetchone()
        except sqlite3.Error:
            log.exception("command not kept on disk")
            return Known(command, {}, None, reported=False)
        return _known(row)

    def unreported(self) -> list[Known]:
        """Commands begun by an earlier process that the server has not heard the end of."""
        with self._store.transaction() as db:
            rows = db.execute(
                "SELECT body, progress, outcome, reported FROM commands"
                " WHERE reported = 0 ORDER BY started"
            ).fetchall()
        return [_known(row) for row in rows]

    def note_progress(self, command_id: str, progress: dict[str, Any]) -> None:
        """Keeps how far a long command has come."""
        self._set("progress", command_id, json.dumps(progress))

    def finish(self, command_id: str, outcome: Outcome) -> None:
        """Keeps what came of it."""
        self._set("outcome", command_id, json.dumps(outcome.body()))

    def mark_reported(self, command_id: str) -> None:
        """The server has heard it."""
        self._set("reported", command_id, 1)

    def _set(self, column: str, command_id: str, value: object) -> None:
        try:
            with self._store.transaction() as db:
                db.execute(
                    f"UPDATE commands SET {column} = ? WHERE id = ?",  # noqa: S608 - our own names
                    (value, command_id),
                )
        except sqlite3.Error:
            log.exception("command's state not kept on disk")


def _known(row: tuple[str, str, Optional[str], int]) -> Known:
    body, progress, outcome, reported = row
    return Known(
        command=json.loads(body),
        progress=json.loads(progress),
        outcome=None if outcome is None else Outcome(**json.loads(outcome)),
        reported=bool(reported),
    )
