"""`manage.py chaos`: failovers broken at every step, and what is left of the promises."""

import json
import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from replicas.chaos import aws, cases, house, runner
from replicas.chaos.cases import Case

STAGED = "SPOTOPT_CHAOS_STAGED"


class Command(BaseCommand):
    """The outer process starts databases and simulated AWS; workers with their settings play."""

    help = "Break failovers at every step, on a throwaway database and a simulated AWS."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Without any: the full matrix."""
        parser.add_argument("--case", help="TRIGGER/STANDBY/POINT/FAULT: only this one")
        parser.add_argument("--only", default="", help="cases whose names contain this")
        parser.add_argument("--sample", type=int, help="so many, drawn by the seed")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--workers", type=int, default=2)
        parser.add_argument("--part", default="0/1", help="which share of the cases: I/N")

    def handle(self, *args: Any, **given: Any) -> None:
        """Play, or have played; the exit code is 1 if a case failed."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # everything started ends too
        chosen = _chosen(given)
        if STAGED in os.environ:
            self._play(chosen)
            return
        sys.exit(
            self._stage(chosen, workers=min(given["workers"], len(chosen)), seed=given["seed"])
        )

    def _play(self, chosen: list[Case]) -> None:
        control = aws.Control(os.environ["AWS_ENDPOINT_URL"])
        for case in chosen:
            outcome = runner.played(case, aws=control)
            told = {
                "case": case.name,
                "fired": outcome.fired,
                "failures": outcome.failures,
                "seconds": outcome.seconds,
            }
            self.stdout.write(json.dumps(told))
            self.stdout.flush()

    def _stage(self, chosen: list[Case], *, workers: int, seed: int) -> int:
        began = time.monotonic()
        results: list[dict[str, Any]] = []
        with ExitStack() as stack:
            threads = []
            for number in range(workers):
                env = stack.enter_context(house.open_house(seed=seed))
                words = [*sys.argv[1:], "--part", f"{number}/{workers}"]
                threads.append(Thread(target=self._collect, args=(words, env, results)))
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        failed = [result for result in results if result["failures"]]
        reached = sum(result["fired"] for result in results)
        self.stdout.write(
            f"{len(results)} of {len(chosen)} cases, {reached} struck, {len(failed)} failed, "
            f"in {time.monotonic() - began:.0f} s (seed {seed})"
        )
        return 1 if failed or len(results) < len(chosen) else 0

    def _collect(
        self, words: list[str], env: dict[str, str], results: list[dict[str, Any]]
    ) -> None:
        worker = subprocess.Popen(
            [sys.executable, "manage.py", *words],
            cwd=Path(aws.ROOT),
            env={**env, STAGED: "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for result in _read(worker):
            results.append(result)
            for failure in result["failures"]:
                self.stdout.write(f"FAILED {result['case']}: {failure}")
        worker.wait()


def _read(worker: "subprocess.Popen[str]") -> Iterator[dict[str, Any]]:
    for line in worker.stdout or ():
        if line.startswith("{"):
            yield json.loads(line)


def _chosen(given: dict[str, Any]) -> list[Case]:
    seed = given["seed"]
    if given["case"]:
        try:
            return [cases.parse(given["case"], seed=seed)]
        except ValueError as error:
            raise CommandError(str(error)) from error
    every = cases.matrix(seed=seed)
    if given["sample"]:
        every = cases.sample(given["sample"], seed=seed)
    every = [case for case in every if given["only"] in case.name]
    if not every:
        raise CommandError("No case is named like that.")
    part, _, parts = given["part"].partition("/")
    return every[int(part) :: int(parts)]
