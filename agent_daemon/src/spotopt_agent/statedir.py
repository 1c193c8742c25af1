"""What the agent keeps on disk, in a folder per instance id.

A clone booted from this machine's image finds the folder of another instance and discards it before
its first request, so that it never speaks with another machine's token or repeats its queue.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, Optional

LOCK = "lock"
REGISTRATION = "registration.json"
SNAPSHOT = "snapshot.json"
FENCED = "fenced"
DATABASE = "queue.sqlite3"


class StateDirError(Exception):
    """The folder cannot be used; the message says why."""


class StateDir:
    """The folder of one instance, held by a lock for as long as this process lives."""

    def __init__(self, root: Path, instance_id: str) -> None:
        """Makes the folder and takes its lock. Raises StateDirError."""
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", instance_id):
            raise StateDirError(f"not an instance id: {instance_id!r}")
        self.root = root
        self.path = root / instance_id
        try:
            self._lock = self._take_lock()
        except BlockingIOError:
            raise StateDirError(f"another agent runs for this instance in {self.path}") from None
        except OSError as error:
            raise StateDirError(f"SPOTOPT_STATE_DIR cannot be used: {error}") from None

    def discard_others(self) -> list[str]:
        """Deletes the folders of other instances, except where their agent is alive; their names."""
        gone = []
        for folder in sorted(self.root.iterdir()):
            if folder == self.path or not (folder / LOCK).is_file():
                continue
            with contextlib.suppress(OSError), (folder / LOCK).open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
                gone.append(folder.name)
        return gone

    @property
    def database(self) -> Path:
        """Where the queue lies."""
        return self.path / DATABASE

    def read(self, name: str) -> Optional[dict[str, Any]]:
        """The JSON object kept under ``name``; None where there is none or it cannot be read."""
        try:
            value = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def write(self, name: str, value: dict[str, Any]) -> None:
        """Keeps ``value`` under ``name``, readable by the owner alone, wholly or not at all."""
        draft = self.path / f"{name}.new"
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(value, file)
        draft.replace(self.path / name)

    def remove(self, name: str) -> None:
        """Forgets what is kept under ``name``."""
        (self.path / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Gives the lock back."""
        os.close(self._lock)

    def _take_lock(self) -> int:
        while True:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:
                continue  # discarded by another instance's agent between the two lines above
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if (self.path / LOCK).stat().st_ino == os.fstat(lock).st_ino:
                    return lock
            except FileNotFoundError:
                pass
            except BaseException:
                os.close(lock)
                raise
            os.close(lock)


def is_held(folder: Path) -> bool:
    """Whether an agent is running over ``folder``."""
    try:
        with (folder / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
