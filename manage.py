#!/usr/bin/env python
"""Spot Optimizer's command line."""

import os
import sys

# These start a database themselves, or need none.
WITHOUT_DATABASE = {
    "localdb", "serve", "demo", "chaos", "bench_failover", "help", "check", "collectstatic",
    "makemigrations", "startapp", "test",
}  # fmt: skip


def main() -> None:
    """Run one management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "spotopt.settings")
    from django.conf import settings
    from django.core.management import execute_from_command_line

    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    if (
        command not in WITHOUT_DATABASE
        and not command.startswith("-")
        and settings.DATABASE_MISSING
    ):
        sys.exit(settings.DATABASE_MISSING)
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
