"""`python group_watch.py OWNER GRACE`: ends process groups whose owner died before it could.

The owner writes `+ID` for each group it starts and `-ID` for each it has ended. When the owner is
gone, or closes the pipe, the leader of every group still listed gets SIGTERM, and after GRACE
seconds the whole group SIGKILL.
Run by path and in isolation: it needs the standard library alone.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from typing import IO


def start(grace: float) -> subprocess.Popen[str]:
    """The watch over the calling process; tell it of groups with `tell`."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(grace)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # it has to outlive its owner's group
    )


def tell(watch: subprocess.Popen[str], line: str) -> None:
    """Pass on `+ID` or `-ID`; a watch that is gone can't be told."""
    with contextlib.suppress(OSError, ValueError):
        stream = watch.stdin
        if stream is not None:
            stream.write(line + "\n")
            stream.flush()


def signal_group(group: int, number: int) -> bool:
    """Signal every process of a group; False if there is none left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def ask_to_end(group: int) -> None:
    """SIGTERM to the group's leader, who knows how to end the rest; to all if it is gone."""
    try:
        os.kill(group, signal.SIGTERM)
    except ProcessLookupError:
        signal_group(group, signal.SIGTERM)


def end_groups(groups: set[int], grace: float) -> None:
    for group in groups:
        ask_to_end(group)
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline and any(signal_group(group, 0) for group in groups):
        time.sleep(0.05)
    for group in groups:
        signal_group(group, signal.SIGKILL)


def watch(owner: int, commands: IO[bytes]) -> set[int]:
    """Follow the owner's commands until it ends; returns the groups it left."""
    groups: set[int] = set()
    inbox = commands.fileno()
    files = [inbox]
    with contextlib.suppress(OSError, AttributeError):  # no pidfd: the pause is the limit
        files.append(os.pidfd_open(owner))
    rest = b""
    while os.getppid() == owner:
        if inbox not in select.select(files, [], [], 1.0)[0]:
            continue
        chunk = os.read(inbox, 65536)
        if not chunk:
            break
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            (groups.add if line[:1] == b"+" else groups.discard)(int(line[1:]))
    return groups


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)  # it ends with its owner, not before
    end_groups(watch(int(sys.argv[1]), sys.stdin.buffer), float(sys.argv[2]))
