"""Maintenance hours: which slots must not be moved now."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from mlengine.models import Blackout

PERIODS = {Blackout.Repeats.DAILY: timedelta(days=1), Blackout.Repeats.WEEKLY: timedelta(days=7)}


@dataclass(frozen=True)
class Blackouts:
    """Those in force at one moment."""

    rows: Sequence[Blackout]

    def over(self, *, client_id: uuid.UUID, agent_id: uuid.UUID) -> str:
        """What forbids to move this slot, in words; empty where nothing does."""
        for row in self.rows:
            if row.client_id == client_id and row.agent_id in (None, agent_id):
                return str(row)
        return ""


def covers(row: Blackout, now: datetime) -> bool:
    """Whether `now` lies in it or in one of its repetitions; the end is outside."""
    if now < row.starts_at:
        return False
    since, length = now - row.starts_at, row.ends_at - row.starts_at
    period = PERIODS.get(Blackout.Repeats(row.repeats))
    return since < length if period is None else since % period < length


def in_force(now: datetime) -> Blackouts:
    """All clients' at once: one statement."""
    lasting = Q(ends_at__gt=now) | ~Q(repeats=Blackout.Repeats.ONCE)
    rows = Blackout.objects.filter(lasting, starts_at__lte=now)
    return Blackouts([row for row in rows if covers(row, now)])
