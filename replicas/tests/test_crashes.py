"""The process dies at a point of the way; the guard, later, goes on from what is written down."""

import pytest

from agents.models import Switch
from replicas import (
    interruptions,
    journal,
    launching,
    lifecycle,
    promotion,
    retirement,
    routes,
    sagas,
    sef,
)
from replicas.models import InterruptionEvent, Saga, Step
from replicas.tests.world import Crash, later
from spotopt.cloud import compute


def dies(monkeypatch, module, name, *, after=False, times=1):
    """This function of ours crashes its process, before or after it has done its work; so often."""
    real, left = getattr(module, name), [times]

    def dying(*args, **more):
        if not left[0]:
            return real(*args, **more)
        left[0] -= 1
        if after:
            real(*args, **more)
        raise Crash

    monkeypatch.setattr(module, name, dying)


# Where; and whether the deed before it has been done.
LAUNCHING = [
    pytest.param(sef, "_act", False, id="the signal is noted"),
    pytest.param(sagas, "begin", True, id="the saga is begun"),
    pytest.param(launching, "_intend", False, id="the pool is about to be chosen"),
    pytest.param(launching, "_intend", True, id="the intent is written"),
    pytest.param(compute, "launch", False, id="EC2 is about to be asked"),
    pytest.param(compute, "launch", True, id="EC2 has launched and nobody has noted it"),
    pytest.param(launching, "adopt", True, id="the machine is noted"),
    pytest.param(sef, "_assess", False, id="the outcome is about to be noted"),
]


@pytest.mark.parametrize(("module", "name", "after"), LAUNCHING)
def test_before_and_after_the_launch(world, primary, monkeypatch, module, name, after):
    dies(monkeypatch, module, name, after=after)
    with pytest.raises(Crash):
        primary.notice()

    world.sweep_until(lambda: world.launched, later(seconds=40))
    world.sweep(later(seconds=80))
    assert len(world.launched) == 1
    fresh = world.boot(world.replica)
    world.settled(later(seconds=120))
    assert world.primaries(primary.agent_id) == [fresh.instance_id]
    assert world.launched == [fresh.instance_id]
    assert world.billing() == {fresh.instance_id}
    assert world.saga.status == Saga.Status.DONE
    assert world.event.done_at is not None
    assert world.event.action_taken in ("created_emergency_replica", "promoted_replica")


PROMOTING = [
    pytest.param(sagas, "escalate", True, id="the standby is wanted"),
    pytest.param(promotion, "advance", False, id="promotion is about to begin"),
    pytest.param(routes, "to", True, id="traffic has moved"),
    pytest.param(promotion, "_rebind", False, id="the slot is about to move"),
    pytest.param(sef, "promoted", True, id="in the middle of that transaction"),
    pytest.param(promotion, "_rebind", True, id="the slot has moved"),
    pytest.param(routes, "away_from", True, id="traffic has left the old machine"),
    pytest.param(compute, "terminate", False, id="the old machine is about to end"),
    pytest.param(compute, "terminate", True, id="EC2 ends the old machine"),
    pytest.param(retirement, "_end", False, id="the saga is about to end"),
]


@pytest.mark.parametrize(("module", "name", "after"), PROMOTING)
def test_on_the_way_to_promotion_and_behind_it(world, primary, monkeypatch, module, name, after):
    standby = world.standby(primary)
    dies(monkeypatch, module, name, after=after)
    # Whether EC2 ends the old machine within the request depends on how fast it is.
    try:
        primary.notice()
    except Crash:
        world.sweep(later(seconds=10))

    try:
        world.settled(later(seconds=60))
    except Crash:
        world.settled(later(seconds=120))
    assert world.primaries(primary.agent_id) == [standby.instance_id]
    assert Switch.objects.count() == 1
    assert world.launched == [standby.instance_id]
    assert world.billing() == {standby.instance_id}
    assert world.saga.status == Saga.Status.DONE
    assert world.event.done_at is not None
    for name in ("rebind", "retire"):
        assert world.saga.steps.filter(name=name, outcome="done").count() == 1


def test_a_signal_whose_responder_died_before_acting_is_taken_up(world, primary):
    """What a kill -9 leaves: the row with its lease."""
    now = later()()
    event, _ = interruptions.record(
        instance=primary.row,
        kind=InterruptionEvent.Kind.NOTICE,
        detected_at=now,
        termination_time=later(minutes=2)(),
        channel=InterruptionEvent.Channel.AGENT,
        now=now,
    )
    assert interruptions.claim(event, now=now)
    world.sweep(later(seconds=10))
    assert world.launches == []
    world.sweep(later(seconds=25))
    assert len(world.launched) == 1


def test_signals_of_long_ago_are_left_alone(world, primary):
    now = later(hours=-2)()
    interruptions.record(
        instance=primary.row,
        kind=InterruptionEvent.Kind.NOTICE,
        detected_at=now,
        termination_time=None,
        channel=InterruptionEvent.Channel.AGENT,
        now=now,
    )
    world.sweep()
    assert world.launches == []


def test_registered_and_then_dead_the_machine_registers_again(world, primary, monkeypatch):
    primary.notice()
    dies(monkeypatch, lifecycle, "registered")
    with pytest.raises(Crash):
        world.boot(world.replica)
    assert world.primaries(primary.agent_id) == [primary.instance_id]
    fresh = world.boot(world.replica)
    assert fresh.answer["role"] == "primary"


def test_an_error_gives_the_lease_back_at_once(world, primary, monkeypatch):
    def broken(*args, **more):
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(launching, "_intend", broken)
    with pytest.raises(RuntimeError):
        primary.notice()
    assert world.saga.lease_owner is None
    monkeypatch.undo()


def test_a_journal_step_left_open_is_taken_up(world, primary):
    world.standby(primary)
    saga, now = world.saga, later()()
    first = journal.intend(saga, "route", now=now)
    assert journal.intend(saga, "route", now=now) == first
    journal.end(first, Step.Outcome.DONE, now=now)
    assert journal.intend(saga, "route", now=now).attempt == 2
