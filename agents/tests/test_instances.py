"""Launches on record, fencing, release, retirement."""

from datetime import timedelta
from typing import Any

import pytest

from agents import instances
from agents.models import Instance
from agents.tests.support import fresh
from spotopt.tests import cast
from spotopt.tests.cast import NOON

pytestmark = pytest.mark.django_db


def launch(agent, **fields):
    known: dict[str, Any] = {
        "instance_id": "i-0launched0000001",
        "pool": cast.make_pool(az_id="use1-az2"),
        "mode": "spot",
        "now": NOON,
        "az_name": "us-east-1b",
        "private_ip": "10.0.0.7",
    }
    return instances.record_launch(agent=agent, **(known | fields))


def test_a_launch_on_record(slot):
    row = fresh(launch(slot.agent))
    assert (row.role, row.verified, row.ours) == ("standby", True, True)
    assert (row.pool_id, row.az_id, row.az_name) == (
        "t3.medium.use1-az2",
        "use1-az2",
        "us-east-1b",
    )
    assert (row.instance_type, row.region, row.mode) == ("t3.medium", "us-east-1", "spot")
    assert (row.launched_at, row.registered_at) == (NOON, None)
    assert row.client_id == slot.agent.client_id


def test_recorded_twice_it_is_one(slot):
    first = launch(slot.agent)
    again = launch(slot.agent, private_ip="", az_name="", now=NOON + timedelta(minutes=1))
    assert again == first
    assert fresh(first).private_ip == "10.0.0.7"
    assert Instance.objects.filter(role="standby").count() == 1


def test_the_record_completes_a_machine_that_registered_first(slot):
    cast.make_instance(
        slot.agent,
        "i-0launched0000001",
        role="standby",
        verified=False,
        last_heartbeat_at=NOON,
        az_name="",
    )
    row = fresh(launch(slot.agent, launched_at=NOON - timedelta(seconds=40)))
    assert (row.verified, row.ours, row.az_name) == (True, True, "us-east-1b")
    assert row.launched_at == NOON - timedelta(seconds=40)
    assert row.last_heartbeat_at == NOON


def test_a_promoted_one_is_not_put_back(slot):
    """A crashed launcher resumes after its machine has long been promoted."""
    assert launch(slot.agent, instance_id=slot.primary.instance_id).role == "primary"
    assert fresh(slot.primary).role == "primary"


def test_it_is_refused_in_another_slot(slot, client_acme):
    sibling = cast.make_slot(client_acme, "i-0acme0000000009")
    launch(slot.agent)
    with pytest.raises(instances.LostRace):
        launch(sibling.agent)


def test_two_clients_may_have_the_same_id(slot, other_slot):
    assert launch(slot.agent) != launch(other_slot.agent)


@pytest.mark.parametrize(
    ("act", "role"), [(instances.fence, "superseded"), (instances.release, "released")]
)
def test_fenced_and_released_once(slot, act, role):
    assert act(slot.primary, now=NOON) is True
    assert fresh(slot.primary).role == role
    assert act(slot.primary, now=NOON) is False
    for other in (instances.fence, instances.release):
        assert other(slot.primary, now=NOON) is False
    assert fresh(slot.primary).role == role


def test_a_released_machine_has_no_deadline(slot):
    Instance.objects.update(suspect_after=NOON)
    instances.release(slot.primary, now=NOON)
    assert fresh(slot.primary).suspect_after is None
    assert fresh(slot.primary).superseded_at is None


def test_retirement(slot):
    assert instances.retire_asked(slot.primary, now=NOON) is True
    assert instances.retire_asked(slot.primary, now=NOON + timedelta(hours=1)) is False
    assert fresh(slot.primary).retire_asked_at == NOON


def test_confirmed_gone_once(slot):
    assert instances.confirm_gone(slot.primary, now=NOON) is True
    assert instances.confirm_gone(slot.primary, now=NOON + timedelta(hours=1)) is False
    assert fresh(slot.primary).terminated_at == NOON
    assert fresh(slot.primary).role == "primary"


def test_who_stands_where(slot, standby):
    assert instances.primary_of(slot.agent) == slot.primary
    assert list(instances.standbys_of(slot.agent)) == [standby]
    instances.confirm_gone(standby, now=NOON)
    assert list(instances.standbys_of(slot.agent)) == []


def test_found_by_ec2s_id_within_the_client(slot, other_slot, django_assert_num_queries):
    mine, theirs = slot.agent.client_id, other_slot.agent.client_id
    with django_assert_num_queries(1):
        found = instances.by_ec2_id(client_id=mine, instance_id=slot.primary.instance_id)
        assert found is not None
        assert (found.agent, found.pool.region) == (slot.agent, "us-east-1")
    assert instances.by_ec2_id(client_id=theirs, instance_id=slot.primary.instance_id) is None
