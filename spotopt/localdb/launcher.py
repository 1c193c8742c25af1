"""Starts the database for the calling process, and stops it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from spotopt.lib import processes
from spotopt.localdb.files import Files, LocalDatabaseError

PROJECT = Path(__file__).resolve().parents[2]
REMAINS_SECONDS = 45.0  # how long to wait for the server of a killed process to end
DYING_SECONDS = 0.5  # a process just killed may still look alive for a moment


class LocalDatabase:
    """A running database. A context manager; it also ends with the process that started it."""

    def __init__(self, *, url: str, keeper: subprocess.Popen[str]) -> None:
        self.url = url
        self._keeper = keeper

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the server has ended: 0 if it was told to.

        Raises subprocess.TimeoutExpired after `timeout` seconds.
        """
        return self._keeper.wait(timeout)

    def alive(self) -> bool:
        return self._keeper.poll() is None

    def stop(self) -> None:
        """Shut the server down and wait until all of it is gone. May be called twice."""
        if self._keeper.poll() is None:
            self._keeper.terminate()
        self._keeper.wait()

    def __enter__(self) -> "LocalDatabase":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def start(
    data_dir: Path, *, throwaway: bool = False, binaries: Path | None = None
) -> LocalDatabase:
    """Run PostgreSQL over the cluster in `data_dir`, making the cluster the first time.

    Returns when it accepts connections. `throwaway` trades durability for speed and deletes the
    cluster in the end, and `data_dir` too if nothing else is in it. `binaries` names the folder of
    PostgreSQL's programs; by default those of the wheel, else those of the machine. Raises
    LocalDatabaseError if it can't be started, or if one is already running there.
    """
    files = Files(data_dir)
    try:
        files.prepare()
        lock = _lock(files)
    except OSError as error:
        raise LocalDatabaseError(f"{files.folder} can't be used: {error}") from error
    try:
        keeper = _spawn(data_dir, lock, throwaway=throwaway, binaries=binaries)
    finally:
        os.close(lock)  # the keeper and the server hold it from here on
    assert keeper.stdout is not None  # noqa: S101 - told to pipe it
    line = keeper.stdout.readline()
    keeper.stdout.close()
    said = json.loads(line) if line else {"error": f"It ended at once; see {files.log}."}
    if "error" in said:
        keeper.wait()
        raise LocalDatabaseError(said["error"])
    return LocalDatabase(url=said["url"], keeper=keeper)


def _spawn(
    data_dir: Path, lock: int, *, throwaway: bool, binaries: Path | None
) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "spotopt.localdb.keeper", str(data_dir.resolve())]
    command += ["--owner", str(os.getpid()), "--lock", str(lock)]
    if throwaway:
        command.append("--throwaway")
    if binaries:
        command += ["--binaries", str(binaries)]
    return subprocess.Popen(
        command,
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=[lock],
        start_new_session=True,  # a Ctrl-C is for the owner, which then asks the keeper
    )


def _lock(files: Files) -> int:
    """Take the lock, waiting for the remains of a killed process, but not for a living one."""
    begun = time.monotonic()
    while (lock := files.try_lock()) is None:
        waited = time.monotonic() - begun
        state = files.read_state()
        held = state and processes.alive(state.keeper) and processes.alive(state.owner)
        if state and held and waited > DYING_SECONDS:
            raise LocalDatabaseError(
                f"A database is already running under {files.folder.parent}"
                f" (started by process {state.owner})."
            )
        if waited > REMAINS_SECONDS:
            raise LocalDatabaseError(
                f"The server processes of {files.folder} neither answer nor end."
            )
        time.sleep(0.05)
    return lock
