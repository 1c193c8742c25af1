"""The process between whoever wants the database and PostgreSQL: it ends the server with its owner.

Run as `python -m spotopt.localdb.keeper FOLDER ...`; answers with one line of JSON, `{"url": ...}` or
`{"error": ...}`. However the owner ends, the keeper sees it and shuts the server down; if the keeper
itself is killed, the kernel sends the server the same signal.
"""

import argparse
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from spotopt.localdb import binaries, cluster, privileges
from spotopt.localdb.files import Files, LocalDatabaseError, State

START_SECONDS = 60.0  # recovery after a crash included
STOP_SECONDS = 30.0  # for the last checkpoint
LOG_BYTES = 8_000_000


class Watch:
    """Wakes on the owner's end and on a signal to stop; remembers either."""

    def __init__(self, owner: int) -> None:
        self.owner = owner
        self.over = False
        self.inbox, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes `wait` when the server ends
        self.files = [self.inbox]
        with contextlib.suppress(OSError, AttributeError):  # no pidfd: the pause is the limit
            self.files.append(os.pidfd_open(owner))

    def _stop(self, *_: object) -> None:
        self.over = True

    def wait(self, seconds: float) -> None:
        """Return after `seconds`, or as soon as something has happened."""
        if select.select(self.files, [], [], seconds)[0][:1] == [self.inbox]:
            os.read(self.inbox, 4096)
        if os.getppid() != self.owner:
            self.over = True


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--owner", type=int, required=True)
    parser.add_argument("--lock", type=int, required=True)
    parser.add_argument("--throwaway", action="store_true")
    parser.add_argument("--binaries", type=Path)
    options = parser.parse_args()
    files, watch = Files(options.data_dir), Watch(options.owner)
    try:
        with running(files, watch, options) as server:
            while server.poll() is None and not watch.over:
                watch.wait(1.0)
            return 0 if watch.over else 1
    except (LocalDatabaseError, OSError) as error:
        answer({"error": str(error)})
        return 1
    finally:
        if options.throwaway:
            shutil.rmtree(files.folder, ignore_errors=True)
            with contextlib.suppress(OSError):  # unless somebody keeps other things there
                files.folder.parent.rmdir()


@contextlib.contextmanager
def running(
    files: Files, watch: Watch, options: argparse.Namespace
) -> Iterator[subprocess.Popen[bytes]]:
    files.state.unlink(missing_ok=True)
    if files.log.exists() and files.log.stat().st_size > LOG_BYTES:
        files.log.replace(files.log.with_name("log.1"))
    programs = binaries.find(only=options.binaries, major=cluster.existing_major(files))
    enter = privileges.entrance(folder=files.folder, reads=[programs.folder])
    if not files.cluster.exists():
        cluster.create(files, programs, enter, throwaway=options.throwaway)
    socket = cluster.socket_folder(files)
    server = cluster.serve(
        files, programs, enter, socket=socket, throwaway=options.throwaway, inherit=options.lock
    )
    try:
        await_ready(files, server, watch)
        url = cluster.address(files, socket)
        files.write_state(State(url=url, keeper=os.getpid(), owner=options.owner))
        answer({"url": url})
        yield server
    finally:
        files.state.unlink(missing_ok=True)
        stop(server)
        shutil.rmtree(socket, ignore_errors=True)


def await_ready(files: Files, server: subprocess.Popen[bytes], watch: Watch) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not cluster.ready(files):
        if server.poll() is not None or time.monotonic() > deadline:
            raise LocalDatabaseError(
                f"PostgreSQL did not start; {files.log} says: {cluster.log_tail(files)}"
            )
        if watch.over:
            raise LocalDatabaseError("Stopped before the database was ready.")
        watch.wait(0.02)


def stop(server: subprocess.Popen[bytes]) -> None:
    """Ask for a fast shutdown, then for an immediate one, then end the server."""
    for number, seconds in (
        (signal.SIGINT, STOP_SECONDS),
        (signal.SIGQUIT, 10),
        (signal.SIGKILL, 10),
    ):
        server.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(seconds)
            return


def answer(message: dict[str, str]) -> None:
    """Tell the owner, once, how the start went; nobody may be listening any more."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.close()


if __name__ == "__main__":
    sys.exit(main())
