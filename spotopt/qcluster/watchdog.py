"""Keeps one cluster going: starts it again when it dies, and kills it when it stops finishing tasks."""

import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from django import db
from django.conf import settings
from django_q.tasks import async_task

from spotopt.lib import group_watch, processes
from spotopt.lib.supervisor import Backoff, Program, Run, Supervisor
from spotopt.qcluster import beat

log = logging.getLogger(__name__)

PING_SECONDS = 10.0
STOP_SECONDS = 10.0  # running tasks get so long to finish; what is cut off is delivered again
# Workers may be busy for as long as a task may take; only then is silence a sign.
MARGIN_SECONDS = 60.0


class Progress:
    """How long ago the cluster last finished a task, by this process's own clock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mark = 0
        self.reset()

    def reset(self) -> None:
        self._since = time.monotonic()

    def silence(self) -> float:
        """Seconds without progress."""
        mark = self.path.stat().st_mtime_ns
        if mark != self._mark:
            self._mark = mark
            self.reset()
        return time.monotonic() - self._since


def stall_seconds() -> float:
    """After how much silence the cluster counts as stuck."""
    return float(settings.Q_CLUSTER.get("timeout") or 120) + MARGIN_SECONDS


def run(
    *,
    command: list[str],
    stall: float,
    ping_every: float = PING_SECONDS,
    grace: float = STOP_SECONDS,
) -> None:
    """Run `command` (the bare cluster; the path of its heartbeat is appended) until interrupted."""
    logging.getLogger("django-q").setLevel(logging.WARNING)  # it tells of every ping
    with heartbeat_file() as path, Supervisor(out=sys.stderr) as supervisor:
        progress = Progress(path)
        program = Program(
            name="cluster",
            argv=[*command, str(path)],
            restart=Backoff(first=0.5),
            stop_seconds=grace,
        )
        cluster = supervisor.start(program)
        starts, next_ping = cluster.starts, 0.0
        while True:
            if time.monotonic() >= next_ping:
                next_ping = time.monotonic() + ping_every
                if not ping():
                    progress.reset()  # without the database nobody can make progress
            supervisor.wait(min(1.0, ping_every))
            if cluster.starts != starts:
                starts, next_ping = cluster.starts, 0.0
                progress.reset()
            if progress.silence() > stall:
                kill(cluster, after=stall)
                progress.reset()


def ping() -> bool:
    """Give the cluster a task to finish. False if the database is out of reach."""
    try:
        db.close_old_connections()
        async_task(beat.PING, task_name="ping", save=False, ack_failure=True)
    except db.Error as error:
        log.warning("can't reach the database: %s", error)
        return False
    return True


def kill(cluster: Run, *, after: float) -> None:
    log.error("no task finished for %.0f s: killing the cluster; it is started anew", after)
    group_watch.signal_group(cluster.pid, signal.SIGKILL)


@contextlib.contextmanager
def heartbeat_file() -> Iterator[Path]:
    """A file of this watchdog's own, under DATA_DIR; those of dead ones are cleared away."""
    folder = settings.DATA_DIR / "qcluster"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.beat"):
        if not processes.alive(int(old.stem)):
            old.unlink(missing_ok=True)
    path = folder / f"{os.getpid()}.beat"
    path.touch()
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
