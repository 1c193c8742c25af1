"""`manage.py guard`: the emergency path's safety net."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from agents import warmth
from replicas.guard import Guard


class Command(BaseCommand):
    """Runs in the foreground until SIGTERM or SIGINT."""

    help = "Finish what a crash left: sagas, signals, silent machines, terminations."

    def handle(self, *args: Any, **options: Any) -> None:
        """Sweep until told to stop."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        self.stdout.write("guard is watching")
        self.stdout.flush()
        warmth.up_in_the_background()
        Guard(clock=timezone.now, stop=stop).run()
