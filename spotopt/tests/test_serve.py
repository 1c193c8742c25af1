"""`manage.py serve`, as an operator runs it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from spotopt import localdb
from spotopt.lib import processes
from spotopt.localdb.files import Files
from spotopt.management.commands import serve

PROJECT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_true(question: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for parent in found:
        for thread in Path(f"/proc/{parent}/task").glob("*/children"):
            found += [int(child) for child in thread.read_text().split()]
    return found


class Served:
    def __init__(self, data_dir: Path, port: int) -> None:
        environment = {**os.environ, "DATA_DIR": str(data_dir)}
        for name in ("DATABASE_URL", "DATABASE_DIRECT_URL"):
            environment[name] = ""
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--port", str(port)],
            cwd=PROJECT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []

    def await_line(self, text: str) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line)
            if text in line:
                return
        pytest.fail(f"ended without {text!r}:\n{''.join(self.lines)}")


@pytest.fixture
def start(tmp_path):
    started = []

    def start(port: int) -> Served:
        served = Served(tmp_path, port)
        started.append(served)
        return served

    yield start
    for served in started:
        served.process.terminate()
        sys.stdout.write("".join(served.lines) + served.process.communicate(timeout=90)[0])


@pytest.mark.processes
def test_it_serves_until_interrupted_and_leaves_nothing(start, tmp_path):
    port = free_port()
    served = start(port)
    served.await_line(f"serving at http://127.0.0.1:{port}")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
        assert answer.status == 200
        assert isinstance(json.load(answer), dict)
    everyone = family(served.process.pid)
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in everyone]
    for part in (b"localdb", b"daphne", b"guard", b"qcluster"):
        assert any(part in command for command in commands)

    served.process.send_signal(signal.SIGINT)
    served.process.communicate(timeout=90)
    assert served.process.returncode == 0
    await_true(lambda: not any(processes.alive(pid) for pid in everyone))
    assert localdb.running_url(tmp_path) is None
    assert "database system is shut down" in Files(tmp_path).log.read_text()


@pytest.mark.processes
def test_nothing_outlives_it_when_killed(start, tmp_path):
    served = start(free_port())
    served.await_line("serving at")
    everyone = family(served.process.pid)
    assert len(everyone) > 8
    served.process.kill()
    await_true(lambda: not any(processes.alive(pid) for pid in everyone))
    assert localdb.running_url(tmp_path) is None


def test_a_port_in_use_is_refused_before_anything_starts(start, tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        served = start(port)
        assert served.process.wait(60) == 1
    served.await_line(f"Can't listen on 127.0.0.1:{port}")
    assert not Files(tmp_path).folder.exists()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("10.1.2.3", "http://10.1.2.3:8000"),
    ],
)
def test_where_the_web_server_is_asked_for_its_health(host, expected):
    assert serve.address(host, 8000) == expected
