"""Scheduled work of the emergency path that may be late: no notice and no promotion waits for it."""

from django.utils import timezone

from replicas import homecoming, images, standbys


def sef_cycle() -> str:
    """Every minute: automatic standbys that no longer pay are let go, those that are missing launched, and
    machines that an emergency bought on demand sent back to spot.
    """
    released = standbys.reevaluate(clock=timezone.now)
    begun = standbys.provide(clock=timezone.now)
    moved = homecoming.run(clock=timezone.now)
    return f"{released} standbys let go, {begun} begun, {moved} steps back to spot"


def refresh_images() -> str:
    """Every ten minutes: images of primaries begun, looked at, and deleted when past their time."""
    return f"{images.refresh(clock=timezone.now)} images begun"
