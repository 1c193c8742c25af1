"""The simulated AWS as the harness sees it: its process, and its control interface."""

import http.client
import json
import socket
import sys
import urllib.parse
from pathlib import Path
from typing import Any

from spotopt.lib.supervisor import Program, prints

ROOT = Path(__file__).resolve().parents[2]
# So fast that a boot takes 10 ms.
SPEED = 2000


def free_port() -> int:
    """A port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(*, port: int, seed: int, log: Path, speed: float = SPEED) -> Program:
    """A simulator that runs no user data: the harness plays the machines."""
    words = ["--port", str(port), "--speed", str(speed), "--seed", str(seed), "--no-agents"]
    return Program(
        name=f"aws {port}",
        argv=[sys.executable, "-m", "simulator", *words],
        cwd=ROOT,
        ready=prints("simulator ready"),
        log=log,
    )


class Control:
    """`/_sim/` over one kept connection. Not for several threads."""

    def __init__(self, url: str) -> None:
        self._address = urllib.parse.urlsplit(url).netloc
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str = "", body: Any = None) -> Any:
        """The answer; raises RuntimeError with what was said for a refusal."""
        data = None if body is None else json.dumps(body)
        for attempt in (1, 2):
            if self._connection is None:
                self._connection = http.client.HTTPConnection(self._address, timeout=30)
            try:
                self._connection.request(method, f"/_sim/{path}", body=data)
                answer = self._connection.getresponse()
                text = answer.read()
                break
            except (OSError, http.client.HTTPException):
                self._connection.close()
                self._connection = None
                if attempt == 2:
                    raise
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {text.decode(errors='replace')[:300]}")
        return json.loads(text)

    def state(self) -> dict[str, Any]:
        """Everything."""
        found: dict[str, Any] = self.ask("GET")
        return found

    def fault(self, **fault: Any) -> None:
        """Put a fault in force."""
        self.ask("POST", "faults", fault)

    def calm(self) -> None:
        """Take all faults back."""
        self.ask("DELETE", "faults")

    def reset(self) -> None:
        """An empty world."""
        self.ask("POST", "reset")
