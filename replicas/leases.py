"""Who works on a saga: a lease, taken by conditional UPDATE, released only if nothing came up meanwhile.

A poke says "look again". It is counted, and a release that has not seen the last poke fails, so that a
machine that registers while another process holds the lease is never overlooked.
"""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import F, Q

from replicas.models import Saga

Clock = Callable[[], datetime]
# Longer than any single call to AWS (connect 2 s + read 8 s), with room; renewed before each.
LENGTH = timedelta(seconds=30)


class LeaseLost(Exception):
    """Another process has taken over; whatever this one was about to do is that one's to do."""


class Lease:
    """The right to advance one saga."""

    def __init__(self, saga: Saga, owner: uuid.UUID, clock: Clock) -> None:
        self.saga = saga
        self.owner = owner
        self.clock = clock

    def renew(self) -> None:
        """Before a call that may take seconds; raises LeaseLost."""
        held = Saga.objects.filter(pk=self.saga.pk, lease_owner=self.owner).update(
            lease_until=self.clock() + LENGTH
        )
        if not held:
            raise LeaseLost(str(self.saga.pk))

    def refresh(self) -> Saga:
        """The saga as it is now; raises LeaseLost."""
        self.saga.refresh_from_db()
        if self.saga.lease_owner != self.owner:
            raise LeaseLost(str(self.saga.pk))
        return self.saga

    def release(self, *, due_at: datetime | None, seen: int) -> bool:
        """Give it back; False if a poke came after the first `seen`, and the lease is still held."""
        released = Saga.objects.filter(pk=self.saga.pk, lease_owner=self.owner, pokes=seen).update(
            lease_owner=None, lease_until=None, due_at=due_at
        )
        return bool(released)

    def give_back(self, *, due_at: datetime) -> None:
        """After an error: whoever comes next may try again from `due_at`, without waiting for the end."""
        Saga.objects.filter(pk=self.saga.pk, lease_owner=self.owner).update(
            lease_owner=None, lease_until=None, due_at=due_at
        )


def take(saga_id: uuid.UUID, *, clock: Clock) -> Lease | None:
    """The lease of an open saga, unless somebody holds it."""
    now, owner = clock(), uuid.uuid4()
    taken = Saga.objects.filter(
        Q(lease_until=None) | Q(lease_until__lt=now), pk=saga_id, status__in=Saga.OPEN
    ).update(lease_owner=owner, lease_until=now + LENGTH)
    if not taken:
        return None
    return Lease(Saga.objects.select_related("agent", "client").get(pk=saga_id), owner, clock)


def poke(saga_id: uuid.UUID, *, now: datetime) -> None:
    """Something happened that the saga waits for: it is due at once. The caller runs it next."""
    Saga.objects.filter(pk=saga_id).update(pokes=F("pokes") + 1, due_at=now)


def due(now: datetime, *, limit: int = 50) -> list[uuid.UUID]:
    """Open sagas that somebody must look at and that nobody holds: the guard's question."""
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    # A holder that died left a lease that has run out, whatever its due time says.
    waiting = Q(due_at__lte=now) | Q(lease_until__lt=now)
    rows = Saga.objects.filter(free & waiting, status__in=Saga.OPEN).order_by("due_at")
    return list(rows.values_list("pk", flat=True)[:limit])
