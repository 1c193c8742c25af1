"""The cluster's heartbeat: a file, touched whenever a task has gone all the way through.

The watchdog enqueues `ping`s, so that an idle cluster has tasks to finish. The file is touched by
the last process of the chain, once it has acknowledged the task: each of the others must be well.
"""

import logging
import os
from pathlib import Path

from django_q.signals import post_execute

PING = f"{__name__}.ping"


def ping() -> None:
    """Does nothing; that it was done is the point."""


def follow(path: Path) -> None:
    """From here on, in this process and those it forks, touch `path` after every task."""

    def touch(**_: object) -> None:
        os.utime(path)

    post_execute.connect(touch, weak=False, dispatch_uid="spotopt.qcluster.beat")


class WithoutPings(logging.Filter):
    """Keeps the pings out of the log, where they would drown the rest."""

    def filter(self, record: logging.LogRecord) -> bool:
        return PING not in record.getMessage()
