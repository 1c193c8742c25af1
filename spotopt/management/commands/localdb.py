"""`manage.py localdb`: the embedded PostgreSQL, in the foreground."""

import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from spotopt import localdb


class Command(BaseCommand):
    help = "Runs the embedded PostgreSQL of DATA_DIR until interrupted."
    requires_system_checks = []  # they may ask for the very database that this starts

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            with localdb.start(settings.DATA_DIR) as database:
                address = localdb.without_password(database.url)
                self.stdout.write(f"database ready at {address}")
                self.stdout.flush()
                database.wait()
        except KeyboardInterrupt:
            return
        except localdb.LocalDatabaseError as error:
            raise CommandError(str(error)) from error
        raise CommandError(f"PostgreSQL ended by itself; see {settings.DATA_DIR}/localdb/log.")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
