"""`manage.py bench_failover`: how long a failover takes in the server."""

import os
import signal
import subprocess
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from replicas.chaos import aws, bench, house

STAGED = "SPOTOPT_BENCH_STAGED"


class Command(BaseCommand):
    """The outer process starts a database and a simulated AWS; the inner measures."""

    help = "Measure failovers on a throwaway database and a simulated AWS."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Of each kind."""
        parser.add_argument("--count", type=int, default=120)
        parser.add_argument("--seed", type=int, default=1)

    def handle(self, *args: Any, **given: Any) -> None:
        """Print the table; the exit code is 1 if the goal is missed."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # everything started ends too
        if STAGED not in os.environ:
            with house.open_house(seed=given["seed"]) as env:
                words = [sys.executable, "manage.py", *sys.argv[1:]]
                inner = subprocess.run(words, env={**env, STAGED: "1"}, cwd=aws.ROOT, check=False)
            sys.exit(inner.returncode)
        control = aws.Control(os.environ["AWS_ENDPOINT_URL"])
        for measure in (bench.with_standby, bench.without_standby):
            for _ in range(3):
                measure(control)  # clients and code are warm in a server that runs
        ready = [bench.with_standby(control) for _ in range(given["count"])]
        bare = [bench.without_standby(control) for _ in range(given["count"])]
        self.stdout.write(bench.table(ready, bare))
        sys.exit(0 if bench.kept(ready, bare) else 1)
