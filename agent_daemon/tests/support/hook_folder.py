"""A hooks folder whose hooks write down that they ran."""

from __future__ import annotations

import time
from pathlib import Path


class HookFolder:
    """``ran()`` lists the hooks that were run, in order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trace = path.parent / "hooks-ran"
        path.mkdir()

    def add(self, name: str, script: str = "", *, exit_code: int = 0) -> None:
        hook = self.path / name
        hook.write_text(
            f'#!/bin/sh\necho "$SPOTOPT_HOOK" >> {self.trace}\n{script}\nexit {exit_code}\n'
        )
        hook.chmod(0o755)

    def add_all(self, *names: str) -> None:
        for name in names:
            self.add(name)

    def ran(self) -> list[str]:
        return self.trace.read_text().split() if self.trace.exists() else []

    def wait_ran(self, *names: str, seconds: float = 10) -> None:
        """Waits until these hooks, and no others, have run in this order."""
        deadline = time.monotonic() + seconds
        while self.ran() != list(names):
            assert time.monotonic() < deadline, f"ran: {self.ran()}, not {list(names)}"
            time.sleep(0.01)
