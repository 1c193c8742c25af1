"""The hooks: executables in a folder through which the agent moves the workload."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Optional, cast

from spotopt_agent.log import fields
from spotopt_agent.server import Ended

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
        self._closed = False

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

        A hook that cannot be started or runs too long has an exit code too. Raises Ended where the
        agent's own end cuts it short or keeps it from starting.
        """
        if not self.has(name):
            log.info("hook not present", extra=fields(hook=name))
            return None
        started = time.monotonic()
        # Files, not pipes: a workload that a hook leaves in the background keeps them open, and
        # must neither hold up the agent nor die of a pipe that nobody reads.
        with contextlib.ExitStack() as files:
            source, output, errors = (files.enter_context(_scratch()) for _ in range(3))
            source.write(stdin)
            source.seek(0)
            try:
                with self._lock:
                    if self._closed and name != self._only:
                        raise Ended
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
                exit_code = _outcome(process, seconds)
            finally:
                with self._lock:
                    self._running.pop(name, None)
            if self._closed and name != self._only:
                raise Ended
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
            for name, process in self._running.items():
                if name != self._only and process.returncode is None:
                    end(process.pid)

    def close(self) -> None:
        """The agent is ending: hooks are ended, except the one named to ``only``."""
        with self._lock:
            self._closed = True
        self.end_running()

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


def _outcome(process: subprocess.Popen[bytes], seconds: float) -> int:
    if not _ended_within(process, max(0.05, seconds)):
        end(process.pid)
        process.wait()
        return TIMED_OUT
    return process.wait()


def _ended_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    # Popen.wait with a timeout looks now and again, up to 50 ms late; a pidfd wakes at the end itself.
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:  # Linux before 5.3, or a container that does not allow it
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(descriptor)


def _scratch() -> IO[bytes]:
    try:
        return cast("IO[bytes]", tempfile.TemporaryFile())
    except OSError:  # a full disk stops no hook
        return os.fdopen(os.memfd_create("hook"), "w+b")


def _whole(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read(OUTPUT_READ)
