"""`python tether.py PARENT SIGNAL COMMAND...`: become COMMAND, which SIGNAL ends when PARENT does.

A program of its own because nothing but an exec is safe between fork and exec in a process with
threads. Run by path and in isolation, so that it starts in milliseconds.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from spotopt.lib import processes

    processes.die_with_parent(parent=int(sys.argv[1]), death_signal=int(sys.argv[2]))
    try:
        os.execvp(sys.argv[3], sys.argv[3:])  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.exit(f"{sys.argv[3]} could not be started: {error}")


def tethered(argv: Sequence[str], *, parent: int, death_signal: int) -> list[str]:
    """The command that runs `argv` tied to the life of `parent`."""
    return [sys.executable, "-I", "-S", __file__, str(parent), str(int(death_signal)), *argv]
