"""`manage.py qcluster`: django-q2's cluster, under a watchdog. Takes the place of its own command."""

import signal
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from spotopt import schedules
from spotopt.qcluster import cluster, watchdog


class Command(BaseCommand):
    help = "Runs scheduled and queued work until interrupted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--stall-seconds",
            type=float,
            help="kill the cluster after so long without a finished task"
            f" (by default {watchdog.stall_seconds():g})",
        )
        parser.add_argument("--ping-seconds", type=float, default=watchdog.PING_SECONDS)
        parser.add_argument("--stop-seconds", type=float, default=watchdog.STOP_SECONDS)
        parser.add_argument("--bare", type=Path, help="the cluster alone; used by the watchdog")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["bare"]:
            cluster.run(options["bare"])
            return
        stall = options["stall_seconds"] or watchdog.stall_seconds()
        if stall <= 2 * options["ping_seconds"]:
            raise CommandError("--stall-seconds must be more than twice --ping-seconds.")
        schedules.ensure()
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            watchdog.run(
                command=[sys.executable, sys.argv[0], "qcluster", "--skip-checks", "--bare"],
                stall=stall,
                ping_every=options["ping_seconds"],
                grace=options["stop_seconds"],
            )
        except KeyboardInterrupt:
            return


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
