"""`manage.py demo`: real agents survive interruptions of a simulated AWS, live in a browser."""

import os
import signal
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from spotopt import localdb
from spotopt.demo import stage
from spotopt.demo.options import Options
from spotopt.lib import tether

STAGED = "SPOTOPT_DEMO_STAGED"


class Command(BaseCommand):
    """Two processes: the outer starts a database, the inner, with its settings, plays."""

    help = (
        "The whole product on this machine, against a simulated AWS; no account, nothing to set up."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The headless demo ends by itself and tells by its exit code."""
        parser.add_argument("--headless", action="store_true", help="no person: play, report, end")
        parser.add_argument(
            "--minutes", type=float, default=5.0, help="how long the headless play is"
        )
        parser.add_argument(
            "--seed", type=int, default=1, help="of the play and of generated prices"
        )
        parser.add_argument("--speed", type=float, default=1.0, help="divides simulated delays")
        parser.add_argument("--prices", type=Path, help="a file of spot prices to replay")
        parser.add_argument("--report", type=Path, help="where the report goes; else it is printed")
        parser.add_argument("--port", type=int, default=8000, help="of the web page")

    def handle(self, *args: Any, **given: Any) -> None:
        """Set the stage, or play on it."""
        if not (given["speed"] > 0 and given["minutes"] > 0):
            raise CommandError("--speed and --minutes must be above zero.")
        options = Options(
            headless=given["headless"],
            minutes=given["minutes"],
            seed=given["seed"],
            speed=given["speed"],
            prices=given["prices"],
            report=given["report"],
            port=given["port"],
        )
        # Also where it was started in the background of a script, which has Ctrl-C ignored.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        if STAGED in os.environ:
            from spotopt.demo import conductor

            sys.exit(conductor.perform(stage.from_environment(options, os.environ)))
        sys.exit(self._set_stage(options))

    def _set_stage(self, options: Options) -> int:
        with tempfile.TemporaryDirectory(
            prefix="spotopt-demo-", ignore_cleanup_errors=True
        ) as folder:
            data_dir = Path(folder)
            data_dir.chmod(0o755)
            with localdb.start(data_dir, throwaway=True) as database:
                environment = stage.environment(options, data_dir, database.url)
                inner = subprocess.Popen(
                    # Killed along with us: its supervisor's watch then ends what it has started.
                    tether.tethered(
                        [sys.executable, *sys.argv], parent=os.getpid(), death_signal=signal.SIGKILL
                    ),
                    env={**environment, STAGED: "1"},
                )
                try:
                    return inner.wait()
                except KeyboardInterrupt:
                    # A terminal's Ctrl-C has reached it as well; a SIGTERM has not.
                    inner.send_signal(signal.SIGTERM)
                    return _ended(inner)


def _ended(inner: "subprocess.Popen[bytes]") -> int:
    try:
        return inner.wait(timeout=60)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        inner.kill()
        return inner.wait()
