"""Endpoint 14: how far a replica is synchronised."""

import pytest

from replicas.models import Replica
from replicas.tests.world import later


@pytest.fixture
def syncing(world, primary):
    primary.configure(sync_kind="hook")
    return world.standby(primary)


def path(machine):
    return f"replicas/{machine.answer['replica_id']}/sync-status"


def test_a_synced_replica_is_ready(world, primary, syncing):
    assert world.replica.status == Replica.Status.SYNCING
    response = syncing.post(
        path(syncing),
        {
            "sync_status": "synced",
            "last_sync_timestamp": "2025-11-21T10:35:00Z",
            "lag_seconds": 5,
        },
    )
    assert (response.status_code, response.json()) == (200, {"status": "success"})
    replica = world.replica
    assert (replica.status, replica.sync_status, replica.lag_seconds) == ("ready", "synced", 5.0)
    assert replica.last_sync_at.isoformat() == "2025-11-21T10:35:00+00:00"
    assert replica.ready_at is not None
    listed = world.api.get(primary.path("replicas")).json()["replicas"][0]
    assert (listed["sync_status"], listed["lag_seconds"]) == ("synced", 5.0)


def test_progress_is_kept_and_a_failure_is_no_readiness(world, primary, syncing):
    for status in ("syncing", "failed"):
        assert syncing.post(path(syncing), {"sync_status": status}).status_code == 200
        assert (world.replica.status, world.replica.sync_status) == ("syncing", status)


def test_one_that_never_syncs_is_given_up_and_another_tried(world, primary, syncing):
    world.sweep(later(minutes=11))
    first, second = Replica.objects.order_by("created_at")
    assert first.status in ("terminating", "failed")
    assert "in time" in first.failure
    assert second.status == "launching"
    world.wait_gone(syncing.instance_id)
    assert world.launched[1] != syncing.instance_id


def test_the_primary_that_feeds_it_may_report(world, primary, syncing):
    assert primary.post(path(syncing), {"sync_status": "synced"}).status_code == 200
    assert world.replica.status == Replica.Status.READY


def test_a_lag_that_grows_again_does_not_unmake_readiness(world, primary, syncing):
    syncing.post(path(syncing), {"sync_status": "synced"})
    syncing.post(path(syncing), {"sync_status": "syncing", "lag_seconds": 40})
    assert (world.replica.status, world.replica.lag_seconds) == ("ready", 40)


def test_what_is_gone_is_409(world, primary, syncing):
    world.api.delete(primary.path(f"replicas/{syncing.answer['replica_id']}"))
    refused = primary.post(path(syncing), {"sync_status": "synced"})
    assert (refused.status_code, refused.json()["code"]) == (409, "replica_gone")


def test_people_do_not_report(world, primary, syncing, alice, as_user):
    response = as_user(alice).post(primary.path(path(syncing)), {"sync_status": "synced"})
    assert response.status_code == 403
    assert world.replica.status == Replica.Status.SYNCING
