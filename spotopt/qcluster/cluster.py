"""The cluster itself, changed in one point: it does not try to go on without a killed process."""

import os
import signal
from multiprocessing.process import BaseProcess
from pathlib import Path

from django.db import connections
from django_q import cluster
from django_q.conf import logger

from spotopt.qcluster import beat


class Sentinel(cluster.Sentinel):  # type: ignore[misc]  # django-q2 is untyped
    def reincarnate(self, process: BaseProcess) -> None:
        """Replace a process that ended by itself; if it was killed, end the group instead.

        A killed process may have held the lock of a queue, and then nobody gets it any more.
        A worker past its time limit is no such case: it has let go and said so (`timer` is 0).
        """
        timer = getattr(process, "timer", None)
        timed_out = timer is not None and timer.value == 0
        if not timed_out and process.exitcode is not None and process.exitcode < 0:
            logger.critical(
                "process %s was killed (%s): starting over", process.pid, process.exitcode
            )
            os.killpg(os.getpgrp(), signal.SIGKILL)
        super().reincarnate(process)


def _forget_inherited_connections() -> None:
    """A forked process has its parent's sockets: two that talk over one garble each other's answers.

    Forgotten, not closed: a goodbye would end the parent's session. psycopg knows by the process id that
    they are not this process's to close.
    """
    for inherited in connections.all(initialized_only=True):
        inherited.connection = None


def run(beat_path: Path) -> None:
    """Run the cluster in this process, which leads its group, until SIGTERM."""
    os.register_at_fork(after_in_child=_forget_inherited_connections)
    logger.addFilter(beat.WithoutPings())
    beat.follow(beat_path)
    cluster.Sentinel = Sentinel
    cluster.Cluster().start()
