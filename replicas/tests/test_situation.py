"""The snapshot that the choice of a pool is made from."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from pricing.models import Pool
from replicas import quarantine, sagas, sef_policy, situation
from replicas.models import InterruptionEvent, Saga
from replicas.tests.world import ZONES, pool_in
from spotopt.tests import cast

DAYS = timedelta(days=1)


@pytest.fixture
def saga(world, primary):
    return sagas.begin(
        agent=primary.agent,
        trigger=Saga.Trigger.EMERGENCY,
        goal=Saga.Goal.PROMOTE,
        reason="test",
        now=timezone.now(),
    )


def look(saga, primary, **fields):
    pool = primary.row.pool
    return situation.look(
        saga=saga, pool=pool, failing_az=pool.az_id, now=fields.get("now", timezone.now())
    )


def lose(primary, letter, at):
    machine = cast.make_instance(
        primary.agent,
        f"i-0{InterruptionEvent.objects.count():08}{letter}",
        role="superseded",
        pool=cast.make_pool("t3.medium", ZONES[letter]),
        launched_at=at - timedelta(hours=12),
        terminated_at=at + timedelta(minutes=2),
    )
    machine.interruptions.create(
        client=primary.agent.client,
        agent=primary.agent,
        pool=machine.pool,
        kind="notice",
        key="x",
        detected_at=at,
        received_at=at,
    )


def test_every_zone_of_the_region_is_a_candidate(saga, primary):
    seen = look(saga, primary)
    assert {c.pool_id for c in seen.candidates} == {pool_in(letter) for letter in ZONES}
    assert (seen.failing_az, seen.current_type) == (ZONES["a"], "t3.medium")


def test_allowed_types_are_candidates_too(saga, primary, world):
    world.client.allowed_types = ["m5.large"]
    world.client.save()
    saga.agent.client.refresh_from_db()
    seen = look(saga, primary)
    assert {c.instance_type for c in seen.candidates} == {"t3.medium", "m5.large"}
    assert len(seen.candidates) == 12


def test_shared_fate_comes_from_what_was_lost_together(saga, primary):
    now = timezone.now()
    for days in (2, 5, 9):
        lose(primary, "a", now - days * DAYS)
        lose(primary, "b", now - days * DAYS + timedelta(minutes=3))
    fate = {c.pool_id: c.shared_fate for c in look(saga, primary).candidates}
    assert fate[pool_in("b")] == pytest.approx(3.7 / 13)
    assert fate[pool_in("c")] == pytest.approx(0.07)
    assert fate[pool_in("a")] is None


def test_it_decides_between_pools_that_are_otherwise_alike(saga, primary, world):
    now = timezone.now()
    for letter in "bcdef":
        world.price(letter, "0.0125")
    for days in range(2, 20):
        lose(primary, "a", now - days * DAYS)
        # Each other zone loses as much; b loses at the same time, the others hours later.
        lose(primary, "b", now - days * DAYS)
        for letter in "cdef":
            lose(primary, letter, now - days * DAYS + timedelta(hours=3))
    choice = sef_policy.choose(look(saga, primary))
    assert choice is not None
    # Freshest losses are those of the others; still b, which falls together with a, is worse.
    assert choice.pool_id != pool_in("b")
    assert choice.terms["shared_fate"] == pytest.approx(0.7 / 28, abs=1e-4)


def test_other_types_have_no_measured_fate(saga, primary, world):
    saga.agent.client.allowed_types = ["m5.large"]
    now = timezone.now()
    lose(primary, "a", now - DAYS)
    lose(primary, "b", now - DAYS)
    found = {c.pool_id: c.shared_fate for c in look(saga, primary).candidates}
    assert found["m5.large." + ZONES["b"]] == pytest.approx(0.07)


def test_the_number_of_statements_does_not_grow_with_the_pools(saga, primary):
    look(saga, primary)
    with CaptureQueriesContext(connection) as few:
        assert len(look(saga, primary).candidates) == 6
    saga.agent.client.allowed_types = ["m5.large", "c5.large", "r5.large", "t3.large"]
    # The first look makes the rows of pools that nobody has asked about yet, all in one statement.
    with CaptureQueriesContext(connection) as first:
        assert len(look(saga, primary).candidates) == 30
    with CaptureQueriesContext(connection) as many:
        look(saga, primary)
    assert len(many) == len(few) <= 10
    assert len(first) <= len(many) + 3


def test_quarantines_and_refusals_are_seen(saga, primary):
    now = timezone.now()
    quarantine.strike(pool_id=primary.row.pool_id, mode="spot", code="x", now=now)
    Pool.objects.get_or_create(
        pool_id=pool_in("b"),
        defaults={"instance_type": "t3.medium", "az_id": ZONES["b"], "region": "us-east-1"},
    )
    saga.steps.create(
        name="launch",
        pool_id=pool_in("b"),
        mode="spot",
        outcome="refused",
        started_at=now,
        ended_at=now,
    )
    found = {c.pool_id: c for c in look(saga, primary).candidates}
    assert found[pool_in("a")].spot_quarantined_until is not None
    assert found[pool_in("b")].spot_refused_at == now
    assert found[pool_in("b")].on_demand_refused_at is None
