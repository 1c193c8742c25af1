"""The agent as a real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Optional

SOURCES = Path(__file__).resolve().parents[2] / "src"


class AgentProcess:
    """``spotopt-agent run`` with the settings given; its log goes to a file."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.log = folder / "agent.log"
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(SOURCES),
            "HTTP_PROXY": "http://127.0.0.1:9",  # to be ignored
            "http_proxy": "http://127.0.0.1:9",
            **environment,
        }
        self.process: Optional[subprocess.Popen[bytes]] = None

    def start(self) -> AgentProcess:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "spotopt_agent", "--log-level", "debug", "run"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    def kill(self) -> None:
        """As the machine's sudden death does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def terminate(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(5)

    def wait(self, seconds: float = 10) -> int:
        assert self.process is not None
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running; log:\n{self.log.read_text()}") from None

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another command of the same program, such as ``status``."""
        return subprocess.run(
            [sys.executable, "-m", "spotopt_agent", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]
