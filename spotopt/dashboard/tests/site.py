"""The real server as a process on the test's database, and a real Chromium in front of it."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parents[3]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# It must neither phone home nor look for updates.
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def free_port() -> int:
    """One that nobody listens on at present."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def database_url() -> str:
    """Of the test's own database, on the server that the settings name."""
    name = connection.settings_dict["NAME"]
    return urlunsplit(urlsplit(settings.DATABASE_URL)._replace(path=f"/{name}"))


@contextmanager
def daphne(port: int, data_dir: Path) -> Iterator[str]:
    """The web process on this port; yields its address, ends with the block."""
    environment = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "DATABASE_DIRECT_URL": database_url(),
        "DATA_DIR": str(data_dir),
        "DEBUG": "true",
        "DJANGO_SETTINGS_MODULE": "spotopt.settings",
        "SECRET_KEY": "only for the tests",
    }
    log = (data_dir / "daphne.log").open("wb")
    command = ["-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "spotopt.asgi:application"]
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env=environment, stdout=log, stderr=log
    )
    try:
        await_answer(f"http://127.0.0.1:{port}/login", process, data_dir / "daphne.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def await_answer(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Until the server answers; says what it logged if it ends instead."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)  # another process: there is nothing to await but its answer
    raise RuntimeError(f"daphne did not answer:\n{log.read_text()}")
