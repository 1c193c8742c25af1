"""`manage.py issue_token USERNAME`: a staff bearer token on standard output, and nothing else."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from clients import tokens


class Command(BaseCommand):
    """Issue a token that is worth a staff member's login."""

    help = "Print a bearer token that is worth the login of this member of staff."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare them."""
        parser.add_argument("username")
        parser.add_argument("--days", type=int, default=90, help="how long it is good (90)")

    def handle(self, *args: Any, username: str, days: int, **options: Any) -> None:
        """Print it, or say why not."""
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(
                f"There is no user {username!r}: make one with `manage.py createsuperuser`."
            )
        if not (user.is_staff and user.is_active):
            raise CommandError(f"{username!r} is not an active member of staff.")
        if not 0 < days <= 3650:
            raise CommandError("--days: give 1 to 3650.")
        self.stdout.write(tokens.issue_staff(user, timezone.now(), timedelta(days=days)))
