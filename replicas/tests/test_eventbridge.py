"""Events from the queue: read whatever they look like, acted on like any other signal."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from agents.models import Instance
from clients.models import FeedEvent
from replicas import eventbridge, reconcile
from replicas.models import InterruptionEvent, Sighting
from spotopt.cloud import compute
from spotopt.cloud.machine import Machine

WARNING = {
    "version": "0",
    "id": "1e5527d7-bb36-4607-3370-4164db56a40e",
    "detail-type": "EC2 Spot Instance Interruption Warning",
    "source": "aws.ec2",
    "account": "123456789012",
    "time": "1970-01-01T00:00:00Z",
    "region": "us-east-1",
    "resources": ["arn:aws:ec2:us-east-1b:instance/i-0acme0000000001"],
    "detail": {"instance-id": "i-0acme0000000001", "instance-action": "terminate"},
}
SAMPLES = Path(__file__).resolve().parents[3] / "shared/data/events/eventbridge"


def event(**changes):
    return json.dumps({**WARNING, "time": timezone.now().isoformat(), **changes})


def test_a_warning():
    signal = eventbridge.parse(json.dumps(WARNING))
    assert signal.kind == eventbridge.WARNING
    assert signal.instance_ids == ("i-0acme0000000001",)
    assert signal.at is not None


def test_by_way_of_sns():
    wrapped = json.dumps({"Type": "Notification", "Message": json.dumps(WARNING)})
    assert eventbridge.parse(wrapped) == eventbridge.parse(json.dumps(WARNING))


@pytest.mark.parametrize("moment", [None, "", "yesterday", 5])
def test_an_event_without_a_readable_time_is_still_an_event(moment):
    body = {**WARNING, "time": moment}
    assert eventbridge.parse(json.dumps(body)).at is None
    del body["time"]
    assert eventbridge.parse(json.dumps(body)).at is None


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not json",
        "[]",
        "null",
        '"text"',
        "{}",
        json.dumps({"Event": "s3:TestEvent", "Bucket": "x"}),
        json.dumps({**WARNING, "detail": "text"}),
        json.dumps({**WARNING, "detail": {}}),
        json.dumps({**WARNING, "detail": {"instance-id": 7}}),
        json.dumps({**WARNING, "detail-type": None}),
        json.dumps({"Message": "TEST_NOTIFICATION"}),
    ],
)
def test_what_cannot_be_read_says_so(body):
    with pytest.raises(eventbridge.Unreadable):
        eventbridge.parse(body)


def test_an_event_of_another_kind_is_read_and_means_nothing():
    signal = eventbridge.parse(
        json.dumps({**WARNING, "detail-type": "Something new", "detail": {}})
    )
    assert signal.instance_ids == ()


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the recorded events are not beside the project")
def test_every_recorded_event_can_be_read():
    found = [eventbridge.parse(path.read_text()).kind for path in sorted(SAMPLES.glob("*.json"))]
    assert {eventbridge.WARNING, eventbridge.RECOMMENDATION, eventbridge.STATE_CHANGE} <= set(found)


@pytest.fixture
def stopped(slot):
    """Automation is off, so that nothing is launched here: what is recorded is what is tested."""
    slot.agent.client.automation = False
    slot.agent.client.save()
    return slot


def handle(slot, body):
    eventbridge.handle(eventbridge.parse(body), client=slot.agent.client, clock=timezone.now)


def test_a_warning_is_recorded_once_however_often_it_comes(stopped):
    handle(stopped, event())
    handle(stopped, event())
    row = InterruptionEvent.objects.get()
    assert (row.kind, row.channel, row.times_heard) == ("notice", "eventbridge", 2)
    assert row.action_taken == "recorded_only"
    assert Sighting.objects.get().times == 2


def test_the_agents_notice_and_the_event_are_one_interruption(stopped):
    handle(stopped, event())
    stopped.api.post(
        f"/api/agents/{stopped.agent.pk}/termination",
        {"termination_time": (timezone.now() + timedelta(minutes=2)).isoformat()},
        format="json",
    )
    row = InterruptionEvent.objects.get()
    assert sorted(row.sightings.values_list("channel", flat=True)) == ["agent", "eventbridge"]
    assert row.termination_time is not None


def test_a_recommendation(stopped):
    handle(stopped, event(**{"detail-type": eventbridge.RECOMMENDATION}))
    assert InterruptionEvent.objects.get().kind == "rebalance"


def test_a_warning_that_waited_too_long_is_not_acted_on(stopped):
    handle(stopped, event(time=(timezone.now() - timedelta(minutes=11)).isoformat()))
    assert not InterruptionEvent.objects.exists()


def test_unknown_instances_are_nobodys(stopped):
    handle(stopped, event(detail={"instance-id": "i-0unknown"}))
    assert not InterruptionEvent.objects.exists()


def test_another_clients_queue_says_nothing_about_ours(stopped, other_slot):
    eventbridge.handle(
        eventbridge.parse(event()), client=other_slot.agent.client, clock=timezone.now
    )
    assert not InterruptionEvent.objects.exists()


def test_an_unverified_machine_is_not_acted_on(stopped):
    Instance.objects.filter(pk=stopped.primary.pk).update(verified=False)
    handle(stopped, event())
    assert not InterruptionEvent.objects.exists()


def test_health_events_are_told(stopped):
    detail = {
        "eventTypeCode": "AWS_EC2_INSTANCE_RETIREMENT_SCHEDULED",
        "affectedEntities": [{"entityValue": stopped.primary.instance_id}, {"other": 1}, None],
    }
    handle(stopped, event(**{"detail-type": eventbridge.HEALTH, "detail": detail}))
    assert "RETIREMENT_SCHEDULED" in FeedEvent.objects.get(event_type="aws_health").message


@pytest.fixture
def ec2_says(monkeypatch, settings):
    """EC2's answer at this very moment: the race between the event and the truth."""
    settings.SERVER_AWS_ACCOUNT = True

    def say(state):
        def describe(account, region, ids):
            if state is None:
                return {}
            return {i: Machine(i, state, "us-east-1a", "t3.medium") for i in ids}

        monkeypatch.setattr(compute, "describe", describe)

    return say


@pytest.mark.parametrize("state", ["shutting-down", "terminated", "stopping", "stopped", None])
def test_an_ending_that_ec2_confirms_is_a_death(stopped, ec2_says, state):
    ec2_says(state)
    handle(stopped, _state(stopped))
    row = InterruptionEvent.objects.get()
    assert (row.kind, row.channel) == ("death", "eventbridge")
    stopped.primary.refresh_from_db()
    assert (stopped.primary.terminated_at is not None) == (state in ("terminated", None))


def test_an_ending_that_ec2_denies_is_nothing(stopped, ec2_says):
    ec2_says("running")
    handle(stopped, _state(stopped))
    assert not InterruptionEvent.objects.exists()


def test_the_end_of_a_superseded_machine_is_only_confirmed(stopped, ec2_says):
    Instance.objects.filter(pk=stopped.primary.pk).update(role="superseded")
    ec2_says("terminated")
    handle(stopped, _state(stopped))
    stopped.primary.refresh_from_db()
    assert stopped.primary.terminated_at is not None
    assert not InterruptionEvent.objects.exists()


def _state(slot, state="shutting-down"):
    return event(
        **{
            "detail-type": eventbridge.STATE_CHANGE,
            "detail": {"instance-id": slot.primary.instance_id, "state": state},
        }
    )


def test_stopped_counts_as_ended_and_pending_does_not():
    told = {
        s: reconcile.ended(Machine("i-1", s, "", "")) for s in ("pending", "running", "stopped")
    }
    assert told == {"pending": False, "running": False, "stopped": True}
