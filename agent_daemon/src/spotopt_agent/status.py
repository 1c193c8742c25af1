"""What the state folder tells, for a person or a script."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any, Optional

from spotopt_agent.statedir import DATABASE, FENCED, LOCK, REGISTRATION, is_held

RUNNING = 0
NOT_RUNNING = 3  # as `systemctl status` has it
NO_STATE = 4


def show(root: Path, *, as_json: bool) -> int:
    """Prints the state of every instance in ``root``; the exit code says whether one is running."""
    try:
        folders = sorted(folder for folder in root.iterdir() if (folder / LOCK).is_file())
    except OSError:
        folders = []
    found = [read(folder) for folder in folders]
    if as_json:
        print(json.dumps(found, indent=2))
    elif not found:
        print(f"no agent has run over {root}, or its state is not yours to read")
    for state in [] if as_json else found:
        width = max(len(key) for key in state)
        print("\n".join(f"{key.replace('_', ' '):<{width}}  {_shown(state[key])}" for key in state))
    if not found:
        return NO_STATE
    return RUNNING if any(state["running"] for state in found) else NOT_RUNNING


def read(folder: Path) -> dict[str, Any]:
    """The state of one instance."""
    registration = _json(folder / REGISTRATION) or {}
    fenced = _json(folder / FENCED)
    state: dict[str, Any] = {
        "instance_id": folder.name,
        "running": is_held(folder),
        "agent_id": registration.get("agent_id"),
        "role": registration.get("role"),
        "replica_id": registration.get("replica_id"),
        "pool_id": registration.get("pool_id"),
        "fenced": fenced.get("reason", "yes") if fenced else None,
    }
    state.update(_queue(folder / DATABASE))
    return state


def _queue(path: Path) -> dict[str, Any]:
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1)
        try:
            counts = dict(db.execute("SELECT kind, count(*) FROM outbox GROUP BY kind"))
            facts = dict(db.execute("SELECT key, value FROM facts"))
            signals = [
                json.loads(body)
                for (body,) in db.execute("SELECT body FROM signals WHERE handled IS NULL")
            ]
            commands = db.execute("SELECT count(*) FROM commands WHERE reported = 0").fetchone()[0]
        finally:
            db.close()
    except sqlite3.Error:
        return {}
    return {
        "last_heartbeat": facts.get("last_heartbeat"),
        "events_waiting": counts.get("event", 0),
        "prices_waiting": counts.get("price", 0),
        "signals_open": [f"{signal['kind']} {signal['time']}" for signal in signals],
        "commands_open": commands,
    }


def _json(path: Path) -> Optional[dict[str, Any]]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(part) for part in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)
