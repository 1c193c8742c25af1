"""One worker at a time on a saga; what comes up meanwhile is not overlooked."""

import threading
from datetime import timedelta

import pytest

from replicas import leases, sagas
from replicas.models import Saga
from replicas.tests.world import at_once, later
from spotopt.tests import cast


@pytest.fixture
def saga(slot):
    return sagas.begin(
        agent=slot.agent,
        trigger=Saga.Trigger.MANUAL,
        goal=Saga.Goal.STANDBY,
        reason="a test",
        now=cast.NOON,
    )


def at(**span):
    return lambda: cast.NOON + timedelta(**span)


def taken(saga_id, *, clock):
    lease = leases.take(saga_id, clock=clock)
    assert lease is not None
    return lease


def test_two_holders_are_excluded(saga):
    assert leases.take(saga.pk, clock=at()) is not None
    assert leases.take(saga.pk, clock=at(seconds=29)) is None


def test_given_back_it_may_be_taken(saga):
    held = taken(saga.pk, clock=at())
    assert held.release(due_at=None, seen=0)
    assert leases.take(saga.pk, clock=at()) is not None


def test_a_poke_is_seen_by_the_holder(saga):
    held = taken(saga.pk, clock=at())
    leases.poke(saga.pk, now=cast.NOON)
    assert not held.release(due_at=None, seen=0)
    assert leases.take(saga.pk, clock=at()) is None
    assert held.release(due_at=None, seen=1)


def test_an_expired_lease_is_taken_over_and_the_first_is_stopped(saga):
    first = taken(saga.pk, clock=at())
    second = taken(saga.pk, clock=at(seconds=31))
    assert second is not None
    for write in (
        first.renew,
        first.refresh,
        lambda: sagas.move_on(first, Saga.Status.STANDING),
    ):
        with pytest.raises(leases.LeaseLost):
            write()
    assert not first.release(due_at=None, seen=0)
    first.give_back(due_at=cast.NOON)
    saga.refresh_from_db()
    assert (saga.status, saga.lease_owner) == (Saga.Status.PREPARING, second.owner)
    sagas.move_on(second, Saga.Status.STANDING)


def test_renewed_it_lasts(saga):
    times = iter([timedelta(0), timedelta(seconds=25)])
    held = taken(saga.pk, clock=lambda: cast.NOON + next(times))
    held.renew()
    assert leases.take(saga.pk, clock=at(seconds=40)) is None
    assert leases.take(saga.pk, clock=at(seconds=56)) is not None


@pytest.mark.parametrize("status", ["done", "abandoned", "failed"])
def test_an_ended_saga_is_nobodys_work(saga, status):
    Saga.objects.filter(pk=saga.pk).update(status=status, due_at=cast.NOON)
    assert leases.take(saga.pk, clock=at()) is None
    assert leases.due(at(hours=1)()) == []


def test_what_is_due(saga):
    assert leases.due(at()()) == []  # whoever began it runs it first
    assert leases.due(at(seconds=4)()) == [saga.pk]
    held = taken(saga.pk, clock=at(seconds=4))
    assert leases.due(at(seconds=10)()) == []
    assert leases.due(at(seconds=40)()) == [saga.pk]  # its holder died
    held.release(due_at=None, seen=0)
    assert leases.due(at(days=1)()) == []
    leases.poke(saga.pk, now=at()())
    assert leases.due(at()()) == [saga.pk]


def test_the_database_allows_one_active_saga_for_an_agent(slot, saga):
    with pytest.raises(sagas.AlreadyMoving):
        sagas.begin(
            agent=slot.agent,
            trigger=Saga.Trigger.MANUAL,
            goal=Saga.Goal.STANDBY,
            reason="another",
            now=cast.NOON,
        )
    Saga.objects.filter(pk=saga.pk).update(status=Saga.Status.RETIRING)
    assert sagas.active_of(slot.agent) is None


def test_a_poke_while_another_works_is_worked_off_by_that_one(saga, monkeypatch):
    rounds = []

    def step(lease):
        rounds.append(lease.saga.pokes)
        if len(rounds) == 1:
            # A machine registers; its process finds the lease taken, and leaves.
            leases.poke(saga.pk, now=cast.NOON)
            sagas.run(saga.pk, clock=later())
        return sagas.Wait()

    monkeypatch.setattr(sagas, "_steps", lambda: dict.fromkeys(Saga.Status, step))
    sagas.run(saga.pk, clock=later())
    assert rounds == [0, 1]
    saga.refresh_from_db()
    assert saga.lease_owner is None


def test_whoever_lost_the_lease_stops_quietly(saga, monkeypatch):
    def step(lease):
        Saga.objects.filter(pk=saga.pk).update(lease_owner="4b7d1c8e-0000-4000-8000-000000000000")
        lease.renew()
        raise AssertionError("must not get here")

    monkeypatch.setattr(sagas, "_steps", lambda: dict.fromkeys(Saga.Status, step))
    sagas.run(saga.pk, clock=later())


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_gets_it(saga):
    found = at_once(*[lambda: leases.take(saga.pk, clock=at()) for _ in range(6)])
    assert sum(lease is not None for lease in found) == 1


@pytest.mark.django_db(transaction=True)
def test_settle_waits_for_whoever_is_at_it(saga, monkeypatch):
    inside, go_on = threading.Event(), threading.Event()

    def step(lease):
        inside.set()
        assert go_on.wait(10)
        return sagas.move_on(lease, Saga.Status.DONE)

    monkeypatch.setattr(sagas, "_steps", lambda: dict.fromkeys(Saga.Status, step))

    def second():
        assert inside.wait(10)
        threading.Timer(0.1, go_on.set).start()
        return sagas.settle(Saga.objects.get(pk=saga.pk), clock=later()).status

    assert at_once(lambda: sagas.run(saga.pk, clock=later()), second) == [None, "done"]
