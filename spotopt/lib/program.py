"""One supervised program: a process group, its output, and its restarts."""

import collections
import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TextIO

from spotopt.lib import group_watch, tether

LINES_KEPT = 500
LOOK_SECONDS = 0.05  # between two questions whether a program is ready


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """How long to wait before a restart: doubling, and from the start again after a good run."""

    first: float = 0.5  # seconds
    longest: float = 30.0
    good_run: float = 60.0  # a run of so many seconds forgives the earlier ones

    def after(self, failures: int) -> float:
        return min(self.longest, self.first * 2.0 ** min(failures, 30))


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run. `env` is added to this process's own; `log` takes the output instead of `out`."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    ready: "Callable[[Run], bool] | None" = None
    ready_seconds: float = 60.0
    restart: Backoff | None = None  # None: its end is reported by Supervisor.wait
    stop_seconds: float = 15.0  # between SIGTERM and SIGKILL
    log: Path | None = None


class Run:
    """A program in the supervisor's hands. Other code may read it, but not steer it."""

    def __init__(
        self,
        program: Program,
        *,
        out: TextIO,
        tell: Callable[[str], None],
        ended: Callable[[int], None],
    ) -> None:
        self.program = program
        self.recent: collections.deque[str] = collections.deque(maxlen=LINES_KEPT)
        self.starts = 0
        self._out, self._tell, self._ended = out, tell, ended
        self._stopping = threading.Event()
        self._started = threading.Event()
        self._lock = threading.Lock()  # a start and a stop exclude each other
        self._process: subprocess.Popen[bytes] | None = None
        self._failure = ""
        # It starts every process of this program, and lives as long as they do: the kernel ties a
        # process to the thread that made it.
        self._minder = threading.Thread(target=self._mind, name=f"run {program.name}", daemon=True)

    @property
    def pid(self) -> int:
        """The process id of the current process, or of the last one; 0 before the first."""
        return self._process.pid if self._process else 0

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def begin(self) -> str:
        """Start, and wait until ready. Returns why not, or an empty string."""
        deadline = time.monotonic() + self.program.ready_seconds
        self._minder.start()
        self._started.wait()
        if self._failure or self.program.ready is None:
            return self._failure
        while not self.program.ready(self):
            if self.starts > 1 or not self.alive():
                return "ended before it was ready"
            if time.monotonic() > deadline:
                return f"was not ready within {self.program.ready_seconds:g} s"
            time.sleep(LOOK_SECONDS)
        return ""

    def end(self) -> None:
        """Stop the program: SIGTERM, and SIGKILL to all of its group once it has ended or is late."""
        with self._lock:
            self._stopping.set()
            process = self._process
        if process:
            if process.poll() is None:
                group_watch.ask_to_end(process.pid)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(self.program.stop_seconds)
            group_watch.signal_group(process.pid, signal.SIGKILL)
        self._minder.join()

    def _mind(self) -> None:
        failures = 0
        while True:
            begun = time.monotonic()
            code = self._run_once()
            policy = self.program.restart
            if self._stopping.is_set() or self.starts == 0:
                return
            if policy is None or self._failure:
                self._ended(code)
                return
            if time.monotonic() - begun > policy.good_run:
                failures = 0
            pause = policy.after(failures)
            failures += 1
            self._say(f"ended with {code}; starting it again in {pause:g} s")
            if self._stopping.wait(pause):
                return

    def _run_once(self) -> int:
        with self._lock:
            if self._stopping.is_set():
                return 0
            try:
                process = self._process = self._spawn()
            except OSError as error:
                self._failure = f"could not be started: {error}"
                self._started.set()
                return 1
            self._tell(f"+{process.pid}")
            self.starts += 1
        self._started.set()
        pump = threading.Thread(target=self._pump, args=(process.stdout,), daemon=True)
        pump.start()
        code = process.wait()
        group_watch.signal_group(process.pid, signal.SIGKILL)  # whatever it has left
        self._tell(f"-{process.pid}")
        pump.join(timeout=2)  # a process that left the group may hold the pipe for ever
        return code

    def _spawn(self) -> subprocess.Popen[bytes]:
        if self.program.log:
            self.program.log.parent.mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(
            tether.tethered(self.program.argv, parent=os.getpid(), death_signal=signal.SIGTERM),
            env={**os.environ, **self.program.env},
            cwd=self.program.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _pump(self, stream: IO[bytes]) -> None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(stream)
            log = self.program.log
            file = stack.enter_context(log.open("ab", buffering=0)) if log else None
            for raw in stream:
                line = raw.decode(errors="replace").rstrip("\r\n")
                self.recent.append(line)
                if file:
                    file.write(raw)
                else:
                    self._say(line)

    def _say(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody may be looking any more
            self._out.write(f"{self.program.name:<10} | {line}\n")
            self._out.flush()
