"""`manage.py serve`: everything a production-like installation needs, on one machine."""

import os
import signal
import socket
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from spotopt import localdb
from spotopt.lib.supervisor import (
    Backoff,
    Program,
    StartError,
    Supervisor,
    answers,
    prints,
)

MIGRATION_SECONDS = 600.0


class Command(BaseCommand):
    help = "Runs database (unless DATABASE_URL names one), web, guard and scheduled work together."
    requires_system_checks = []  # they may ask for the database that this starts

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, **options: Any) -> None:
        # SIGINT too: a background shell has it ignored.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _interrupt)
        require_free(options["host"], options["port"])
        try:
            with Supervisor() as supervisor:
                self.bring_up(supervisor, options["host"], options["port"])
                ended = supervisor.wait()
        except KeyboardInterrupt:
            return
        except StartError as error:
            raise CommandError(str(error)) from error
        raise CommandError(f"{ended and ended.name} ended unexpectedly.")

    def bring_up(self, supervisor: Supervisor, host: str, port: int) -> None:
        """Start everything, in the order of need; the database's address goes to all of it."""
        if not settings.DATABASE_URL:
            supervisor.start(database())
        url = settings.DATABASE_URL or localdb.running_url(settings.DATA_DIR) or ""
        env = {"DATABASE_URL": url}
        supervisor.start(Program(name="migrate", argv=manage("migrate", "--noinput"), env=env))
        migrated = supervisor.wait(MIGRATION_SECONDS)
        if migrated is None or migrated.code != 0:
            raise StartError("The database could not be brought up to date; see above.")
        supervisor.start(web(host, port, env))
        supervisor.start(Program(name="guard", argv=manage("guard"), env=env, restart=Backoff()))
        supervisor.start(
            Program(
                name="qcluster",
                argv=manage("qcluster"),
                env=env,
                restart=Backoff(),
                stop_seconds=30,  # more than it gives its own tasks
            )
        )
        self.stdout.write(f"serving at {address(host, port)}")
        self.stdout.flush()


def database() -> Program:
    return Program(
        name="database",
        argv=manage("localdb"),
        ready=prints("database ready at"),
        ready_seconds=120,
        restart=Backoff(),
        stop_seconds=60,  # the last checkpoint takes its time
    )


def web(host: str, port: int, env: dict[str, str]) -> Program:
    return Program(
        name="web",
        argv=[
            sys.executable,
            "-m",
            "daphne",
            "-b",
            host,
            "-p",
            str(port),
            "spotopt.asgi:application",
        ],
        # daphne serves each request on a thread of its own; together they need a pool.
        env={"DATABASE_POOL": os.environ.get("DATABASE_POOL") or "true", **env},
        cwd=settings.BASE_DIR,
        # Any answer will do: ALLOWED_HOSTS need not have this machine's own address in it.
        ready=answers(f"{address(host, port)}/health", below=500, seconds=5),
        restart=Backoff(),
    )


def address(host: str, port: int) -> str:
    """Where this machine reaches a server that listens on `host`."""
    own = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{own}]:{port}" if ":" in own else f"http://{own}:{port}"


def require_free(host: str, port: int) -> None:
    """Raise CommandError unless this machine can listen there.

    Asked beforehand, since a stranger on that port might answer in the web process's stead.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[
            0
        ]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        raise CommandError(f"Can't listen on {host}:{port}: {error}") from error


def manage(*command: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *command]


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
