"""Runs one machine's user data, and takes everything that it started along when it goes.

A program of its own (`python -I -S runner.py SCRIPT`), standard library alone. It is the reaper of
all its descendants, also of those that began a session of their own. Its standard input is a pipe held by
the simulator: when that closes, whether on purpose or because the simulator was killed, every
descendant gets SIGKILL.
"""

import ctypes
import errno
import os
import select
import signal
import sys
import time

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def parents() -> dict[int, int]:
    """Every process on this system, with its parent."""
    found: dict[int, int] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - hot, and runs without the package
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as source:  # noqa: PTH123
                # The command, in parentheses, may itself hold spaces and parentheses.
                fields = source.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if fields[0] != b"Z":
            found[int(name)] = int(fields[1])
    return found


def descendants(ancestor: int, known: dict[int, int] | None = None) -> list[int]:
    """Processes alive below one, the nearest first; `known` is what parents() told."""
    children: dict[int, list[int]] = {}
    for process, parent in (parents() if known is None else known).items():
        children.setdefault(parent, []).append(process)
    found, layer = [], [ancestor]
    while layer:
        layer = [child for parent in layer for child in children.get(parent, [])]
        found += layer
    return found


def kill_below(ancestor: int) -> None:
    """SIGKILL to every descendant, until none is left (they may be forking meanwhile)."""
    for _ in range(50):
        alive = descendants(ancestor)
        if not alive:
            return
        for process in alive:
            try:
                os.kill(process, signal.SIGKILL)
            except OSError:
                continue
        time.sleep(0.002)


def _execute(script: str) -> None:
    """Becomes the script; in the child. A file just written may still be busy for a moment."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # What is ignored stays ignored across an exec, and Python ignores SIGPIPE.
    for each in (signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(each, signal.SIG_DFL)
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for _ in range(100):
        try:
            os.execv(script, [script])  # noqa: S606
        except OSError as error:
            if error.errno == errno.ETXTBSY:
                time.sleep(0.01)
                continue
            os.write(2, f"user data can't be run: {error}\n".encode())
            break
    os._exit(127)


def _reap() -> bool:
    """Collect the dead. False when no child is left."""
    while True:
        try:
            process, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if process == 0:
            return True


def main(script: str) -> None:
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)
    if os.fork() == 0:
        _execute(script)
    while _reap():
        ready, _, _ = select.select([0, heard], [], [])
        if heard in ready:
            os.read(heard, 512)
        if 0 in ready and not os.read(0, 512):
            kill_below(os.getpid())
            return


if __name__ == "__main__":
    main(sys.argv[1])
