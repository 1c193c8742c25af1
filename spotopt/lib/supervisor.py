"""Runs a set of programs together and leaves none of them behind.

    with Supervisor() as supervisor:
        supervisor.start(Program(name="web", argv=[...], ready=answers("http://127.0.0.1:8000/")))
        ended = supervisor.wait()

Each program has a process group of its own. Programs stop in the reverse order of their start. If
the supervising process is killed, they end all the same: each by the kernel's word, and what they
have started by `group_watch`.
"""

import contextlib
import http.client
import queue
import signal
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TextIO

from spotopt.lib import group_watch
from spotopt.lib.program import Backoff, Program, Run

__all__ = ["Backoff", "Ended", "Program", "Run", "StartError", "Supervisor", "answers", "prints"]

ORPHAN_GRACE = 10.0  # seconds that programs get to end when their supervisor was killed


class StartError(Exception):
    """A program ended, or its time ran out, before it was ready."""


@dataclass(frozen=True)
class Ended:
    """A program that is not restarted has ended."""

    name: str
    code: int  # as of subprocess: negative for a signal


class Supervisor:
    """Starts, watches, restarts and stops programs. Its methods are for one thread to call."""

    def __init__(self, *, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._runs: dict[str, Run] = {}
        self._ended: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        self._watch = group_watch.start(ORPHAN_GRACE)

    def __getitem__(self, name: str) -> Run:
        return self._runs[name]

    def start(self, program: Program) -> Run:
        """Start a program and return when it is ready; at once if it has no way to tell.

        Raises StartError, after stopping the program, with its last lines.
        """
        run = Run(
            program,
            out=self._out,
            tell=lambda line: group_watch.tell(self._watch, line),
            ended=lambda code: self._ended.put(Ended(program.name, code)),
        )
        self._runs[program.name] = run
        why = run.begin()
        if why:
            self.stop_one(program.name)
            said = "\n".join(list(run.recent)[-20:])
            raise StartError(f"{program.name} {why}\n{said}".rstrip())
        return run

    def wait(self, timeout: float | None = None) -> Ended | None:
        """Block until a program that isn't restarted has ended; None after `timeout` seconds."""
        try:
            return self._ended.get(timeout=timeout)
        except queue.Empty:
            return None

    def stop_one(self, name: str) -> None:
        """Stop one program and all of its group; it won't be restarted."""
        run = self._runs.pop(name, None)
        if run:
            run.end()

    def stop(self) -> None:
        """Stop everything, last started first. May be called twice."""
        for name in reversed(list(self._runs)):
            self.stop_one(name)
        if self._watch.stdin and not self._watch.stdin.closed:
            with contextlib.suppress(OSError):
                self._watch.stdin.close()
        self._watch.wait()

    def __enter__(self) -> "Supervisor":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with impatience_ignored():
            self.stop()


@contextlib.contextmanager
def impatience_ignored() -> Iterator[None]:
    """A second Ctrl-C must not leave half of the programs running."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def prints(text: str) -> Callable[[Run], bool]:
    """Ready when a line of the program's output contains `text`."""
    return lambda run: any(text in line for line in list(run.recent))


def answers(url: str, *, below: int = 400, seconds: float = 1.0) -> Callable[[Run], bool]:
    """Ready when `url` answers, within `seconds`, with a status under `below`."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ready(_: Run) -> bool:
        try:
            with direct.open(url, timeout=seconds):
                return True
        except urllib.error.HTTPError as answer:
            answer.close()
            return answer.code < below
        except (OSError, ValueError, http.client.HTTPException):
            return False

    return ready
