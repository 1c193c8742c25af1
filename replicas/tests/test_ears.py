"""The queues: received, acted on, deleted; what is broken stays behind or goes, and never stops the rest."""

import json
import threading

import pytest
from django.utils import timezone

from replicas import ears, eventbridge
from replicas.ears import Ears, Queue
from replicas.models import InterruptionEvent
from spotopt.cloud import errors, queues
from spotopt.cloud.account import Account

pytestmark = pytest.mark.django_db
REGION = "us-east-1"


@pytest.fixture
def queue(world):
    """Acme's queue, fed by a rule as the connection's template makes it."""
    sqs, events = world.sim.client("sqs"), world.sim.client("events")
    url = sqs.create_queue(QueueName="spotopt")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    events.put_rule(Name="spotopt", EventPattern=json.dumps({"source": ["aws.ec2", "aws.health"]}))
    events.put_targets(Rule="spotopt", Targets=[{"Id": "queue", "Arn": arn}])
    world.client.aws_queues = {REGION: url}
    world.client.save()
    sqs.purge_queue(QueueUrl=url)
    return Queue(world.client.pk, REGION, url)


def put(world, queue, body):
    world.sim.client("sqs").send_message(QueueUrl=queue.url, MessageBody=body)


def drain(queue):
    return ears.drain(queue, clock=timezone.now, wait=0)


def drain_all(queue):
    while drain(queue):
        pass


def test_a_notice_heard_here_alone_is_failed_over(world, primary, queue):
    standby = world.standby(primary)
    drain_all(queue)
    world.sim.interrupt(primary.instance_id, "notice")
    drain_all(queue)
    assert world.primaries(primary.agent_id) == [standby.instance_id]
    event = InterruptionEvent.objects.get(kind="notice")
    assert (event.channel, event.action_taken) == ("eventbridge", "promoted_replica")


def test_heard_here_and_from_the_agent_it_is_one(world, primary, queue):
    world.standby(primary)
    drain_all(queue)
    world.sim.interrupt(primary.instance_id, "notice")
    first = primary.notice().json()
    drain_all(queue)
    event = InterruptionEvent.objects.get(kind="notice")
    assert sorted(event.sightings.values_list("channel", flat=True)) == ["agent", "eventbridge"]
    assert first["action_taken"] == event.action_taken
    assert len(world.launched) == 1


def test_a_death_is_heard_without_waiting_for_silence(world, primary, queue):
    standby = world.standby(primary)
    world.kill(primary.instance_id)
    drain_all(queue)
    assert world.primaries(primary.agent_id) == [standby.instance_id]
    assert InterruptionEvent.objects.get(kind="death").channel == "eventbridge"


@pytest.mark.parametrize("body", ["TEST_NOTIFICATION", "{", "[]", '{"detail": null}'])
def test_what_cannot_be_read_is_deleted_and_the_rest_is_handled(world, primary, queue, body):
    put(world, queue, body)
    world.sim.interrupt(primary.instance_id, "rebalance")
    drain_all(queue)
    assert InterruptionEvent.objects.get().kind == "rebalance"
    assert drain(queue) == 0


def test_what_could_not_be_handled_now_comes_again(world, primary, queue, monkeypatch):
    world.sim.interrupt(primary.instance_id, "rebalance")
    deleted = []

    def delete(account, region, url, messages):
        deleted.append(len(messages))
        return 0

    monkeypatch.setattr(queues, "delete", delete)

    def fail(*_, **__):
        raise errors.ThrottleError("Throttling", "slower")

    monkeypatch.setattr(eventbridge, "handle", fail)
    assert drain(queue) >= 1
    assert sum(deleted) == 0


def test_a_deletion_that_fails_leads_to_a_second_hearing_without_effect(
    world, primary, queue, monkeypatch
):
    world.sim.interrupt(primary.instance_id, "rebalance")
    body = world.sim.client("sqs").receive_message(QueueUrl=queue.url)["Messages"][0]["Body"]
    for _ in range(2):
        put(world, queue, body)
        monkeypatch.setattr(queues, "delete", lambda *a: len(a[3]))
        drain(queue)
    assert InterruptionEvent.objects.get().times_heard == 2
    assert len(world.launched) <= 1


def test_a_queue_that_does_not_exist_is_an_error_of_ours_not_botocores(world):
    missing = Queue(world.client.pk, REGION, f"{world.sim.url}/123456789012/missing")
    with pytest.raises(errors.CloudError):
        drain(missing)


def test_nothing_to_delete_asks_nobody():
    assert queues.delete(Account(), REGION, "http://nowhere.invalid/q", []) == 0


def test_queues_are_found_by_client_and_region(client_acme, client_other):
    client_acme.aws_queues = {"us-east-1": "https://q/1", "eu-west-1": ""}
    client_acme.save()
    assert ears.configured() == {Queue(client_acme.pk, "us-east-1", "https://q/1")}


def test_a_thread_for_each_queue_restarted_and_ended(client_acme, monkeypatch):
    heard, stop = threading.Event(), threading.Event()
    wanted = {Queue(client_acme.pk, REGION, "https://q/1")}
    running = Ears(clock=timezone.now, stop=stop, find=lambda: wanted)

    def fake_drain(queue, *, clock):
        heard.set()
        stop.wait(5)

    monkeypatch.setattr(ears, "drain", fake_drain)
    running.look()
    (thread,) = running.threads.values()
    assert heard.wait(5)
    running.look()
    assert list(running.threads.values()) == [thread]
    stop.set()
    thread.join(5)
    assert not thread.is_alive()


@pytest.mark.parametrize("error", [errors.UnreachableError("x", "y"), ValueError("a bug")])
def test_a_failure_is_paused_over_not_given_up(client_acme, monkeypatch, error):
    monkeypatch.setattr(ears, "PAUSE", 0.01)
    stop, calls = threading.Event(), []

    def failing(queue, *, clock):
        calls.append(1)
        if len(calls) == 3:
            stop.set()
            return
        raise error

    monkeypatch.setattr(ears, "drain", failing)
    wanted = {Queue(client_acme.pk, REGION, "https://q/1")}
    running = Ears(clock=timezone.now, stop=stop, find=lambda: wanted)
    running.look()
    for thread in list(running.threads.values()):
        thread.join(5)
    assert len(calls) == 3
