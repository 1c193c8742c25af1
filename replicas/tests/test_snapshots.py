"""What a replacement is given of its predecessor; what an interruption's record holds; estimates."""

from datetime import timedelta

from replicas import estimates, features, snapshots
from replicas.models import InterruptionEvent, Replica, Saga, Snapshot
from replicas.tests.world import later, pool_in
from spotopt.lib.times import rfc3339
from spotopt.tests import cast

FEATURES = {
    "spot_price_at_interruption", "price_trend_before", "price_change_percent",
    "time_since_price_change_minutes", "day_of_week", "hour_of_day",
    "pool_historical_interruption_rate", "region_interruption_rate", "competing_instances_count",
    "previous_interruptions_count", "time_since_last_interruption_hours",
}  # fmt: skip


def report(machine, price, ago=timedelta(0)):
    body = {"pool_id": pool_in("a"), "spot_price": price, "timestamp": rfc3339(later()() - ago)}
    assert machine.post("pricing-report", body).status_code == 200


def test_the_replacement_gets_configuration_state_and_a_day_of_prices(world, primary):
    primary.configure(quiesce_seconds=11)
    primary.post("heartbeat", {"status": "online", "state": {"offset": 7, "files": ["a"]}})
    report(primary, 0.0150, timedelta(hours=2))
    report(primary, 0.0175)
    primary.imminent()
    fresh = world.boot(world.replica)
    document = fresh.answer["snapshot"]
    assert document["state"] == {"offset": 7, "files": ["a"]}
    assert document["config"]["quiesce_seconds"] == 11
    assert [point["spot_price"] for point in document["prices"]] == [0.0150, 0.0175]
    assert document["taken_at"].endswith("Z")
    assert Snapshot.objects.get().fetched_at is not None
    # Its first answer may have been lost.
    assert world.boot(fresh.instance_id).answer["snapshot"] == document


def test_one_snapshot_however_often_the_notice_is_heard(world, primary):
    primary.notice()
    first = Snapshot.objects.get()
    primary.post("heartbeat", {"status": "online", "state": {"later": True}})
    primary.notice()
    assert Snapshot.objects.get().document == first.document


def test_a_recommendation_takes_none_and_an_old_one_is_not_handed_out(world, primary):
    primary.recommendation()
    assert not Snapshot.objects.exists()
    assert world.boot(world.replica).answer["snapshot"] is None
    primary.notice()
    assert snapshots.waiting_for(primary.agent, now=later(minutes=61)()) is None


def test_the_eleven_features_unknown_ones_null(world, primary):
    primary.notice()
    found = world.event.features
    assert set(found) == FEATURES
    unknown = {name for name, value in found.items() if value is None}
    assert unknown == {
        "spot_price_at_interruption",
        "price_trend_before",
        "price_change_percent",
        "time_since_price_change_minutes",
        "time_since_last_interruption_hours",
    }
    assert found["competing_instances_count"] == 0
    assert found["previous_interruptions_count"] == 0
    assert found["pool_historical_interruption_rate"] == 0


def test_features_from_real_rows(world, primary):
    report(primary, 0.0100, timedelta(hours=2))
    report(primary, 0.0150, timedelta(minutes=50))
    report(primary, 0.0180, timedelta(minutes=30))
    neighbour = world.enrol("us-east-1a")
    before = InterruptionEvent.objects.create(
        client=world.client,
        agent=neighbour.agent,
        instance=neighbour.row,
        pool=neighbour.row.pool,
        kind="notice",
        key="x",
        detected_at=later(hours=-6)(),
        received_at=later(hours=-6)(),
        acted_at=later(hours=-6)(),
        action_taken="recorded_only",
    )
    primary.notice()
    event = InterruptionEvent.objects.exclude(pk=before.pk).get()
    found = event.features
    assert found["spot_price_at_interruption"] == 0.018
    assert found["price_change_percent"] == 80.0
    assert 40 <= found["time_since_price_change_minutes"] <= 60
    assert found["day_of_week"] == event.detected_at.isoweekday()
    assert found["hour_of_day"] == event.detected_at.hour
    assert found["pool_historical_interruption_rate"] == 1 / 30
    assert 0 < found["region_interruption_rate"] <= 1 / 30
    assert found["competing_instances_count"] == 1
    assert abs(found["time_since_last_interruption_hours"] - 6) < 0.1
    assert features.of(event) == found


def test_estimates_are_the_median_of_what_the_latest_took(slot):
    client = slot.agent.client
    assert estimates.time_to_ready(client_id=client.pk) == estimates.UNKNOWN
    saga = Saga.objects.create(
        client=client, agent=slot.agent, trigger="manual", goal="standby", created_at=cast.NOON
    )
    for seconds in (20, 30, 400):
        Replica.objects.create(
            client=client,
            agent=slot.agent,
            saga=saga,
            status="terminated",
            replica_type="manual",
            pool=slot.primary.pool,
            created_at=cast.NOON,
            launched_at=cast.NOON,
            ready_at=cast.NOON + timedelta(seconds=seconds),
        )
    assert estimates.time_to_ready(client_id=client.pk) == timedelta(seconds=30)
    fresh = Replica(client=client, status="launching", launched_at=cast.NOON)
    expected = cast.NOON + timedelta(seconds=30)
    assert estimates.ready_by(fresh, now=cast.NOON) == expected
    # Never in the past, and not at all for what will not be.
    late = cast.NOON + timedelta(minutes=5)
    assert estimates.ready_by(fresh, now=late) == late
    fresh.status = "failed"
    assert estimates.ready_by(fresh, now=late) is None
