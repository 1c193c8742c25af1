"""Scheduled work."""

from django.utils import timezone

from mlengine import decisions


def ml_cycle() -> str:
    """Every fifteen minutes: one decision about every slot."""
    return str(decisions.run_cycle(now=timezone.now()))
