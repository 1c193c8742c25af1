"""Scheduled work."""

from django.utils import timezone

from mlengine import decisions


def ml_cycle() -> str:
    """Every fifteen minutes: one decision about every slot."""
    cycle = decisions.run_cycle(now=timezone.now())
    return "another run is at it" if cycle is None else str(cycle)
