"""The hooks: executables in a folder through which the agent moves the workload."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Optional

from spotopt_agent.log import fields

NAMES = ("promoted", "quiesce", "sync", "fenced", "restore", "state")
TIMED_OUT = 124  # the exit code of a hook that ran out of time, as timeout(1) has it
NOT_STARTED = 126  # of a hook that could not be executed, as the shell has it
OUTPUT_READ = 1 << 20  # bytes
OUTPUT_LOGGED = 4096  # bytes, the last of them
SECRETS = ("SPOTOPT_TOKEN", "SPOTOPT_TOKEN_FILE")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finished:
    """A hook's end. ``output`` is stdout; stderr goes with it into the log alone."""

    hook: str
    exit_code: int
    seconds: float
    output: bytes = b""


class Hooks:
    """Runs hooks, each within a bounded time, and can end those that are running."""

    def __init__(self, folder: Path, *, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = {k: v for k, v in environment.items() if k not in SECRETS}
        self._lock = threading.Lock()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._only = ""

    def present(self) -> list[str]:
        """The names of the hooks that are there and executable."""
        return [name for name in NAMES if self.has(name)]

    def has(self, name: str) -> bool:
        """Whether the hook ``name`` is there and executable."""
        path = self._folder / name
        return path.is_file() and os.access(path, os.X_OK)

    def run(
        self, name: str, *, seconds: float, stdin: bytes = b"", **environment: str
    ) -> Optional[Finished]:
        """Runs the hook for at most ``seconds``; None where there is none.

        Never raises: a hook that cannot be started or runs too long has an exit code too.
        """
        if not self.has(name):
            log.info("hook not present", extra=fields(hook=name))
            return None
        started = time.monotonic()
        # Files, not pipes: a workload that a hook leaves in the background keeps them open, and
        # must neither hold up the agent nor die of a pipe that nobody reads.
        with contextlib.ExitStack() as files:
            source, output, errors = (
                files.enter_context(tempfile.TemporaryFile()) for _ in range(3)
            )
            source.write(stdin)
            source.seek(0)
            try:
                with self._lock:
                    if self._only not in ("", name):
                        return None
                    process = subprocess.Popen(
                        [str(self._folder / name)],
                        stdin=source,
                        stdout=output,
                        stderr=errors,
                        env={**self._environment, "SPOTOPT_HOOK": name, **environment},
                    )
                    self._running[name] = process
            except OSError as error:
                log.error("hook cannot be run: %s", error, extra=fields(hook=name))  # noqa: TRY400
                return Finished(name, NOT_STARTED, 0.0)
            try:
                exit_code = process.wait(timeout=max(0.05, seconds))
            except subprocess.TimeoutExpired:
                end(process.pid)
                process.wait()
                exit_code = TIMED_OUT
            finally:
                with self._lock:
                    self._running.pop(name, None)
            finished = Finished(
                name, exit_code, round(time.monotonic() - started, 3), _whole(output)
            )
            self._log(finished, _whole(errors))
        return finished

    def only(self, name: str) -> None:
        """From now on no hook but ``name`` is started; the others that are running are ended."""
        with self._lock:
            self._only = name
        self.end_running()

    def end_running(self) -> None:
        """Ends the hooks that are running, except the one named to ``only``."""
        with self._lock:
            running = [process for name, process in self._running.items() if name != self._only]
        for process in running:
            end(process.pid)

    @staticmethod
    def _log(finished: Finished, errors: bytes) -> None:
        level = logging.DEBUG if finished.hook == "state" else logging.INFO
        said = errors if finished.hook == "state" else finished.output + errors
        log.log(
            level if finished.exit_code == 0 else logging.WARNING,
            "hook finished",
            extra=fields(
                hook=finished.hook,
                exit_code=finished.exit_code,
                seconds=finished.seconds,
                output=said[-OUTPUT_LOGGED:].decode("utf-8", "replace"),
            ),
        )


def end(pid: int) -> None:
    """Kills a process and its descendants.

    They are found by their parents and not by a group of their own, since hooks stay in the agent's
    group: what ends the agent's whole group ends them too.
    """
    family = [pid]
    for member in family:
        with contextlib.suppress(OSError):
            os.kill(member, signal.SIGSTOP)  # so that it has no more children while they are read
        family.extend(_children(member))
    for member in family:
        with contextlib.suppress(OSError):
            os.kill(member, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError, ValueError):
            found.extend(int(child) for child in tasks.read_text().split())
    return found


def _whole(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read(OUTPUT_READ)
