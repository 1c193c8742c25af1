"""EventBridge: which rules and targets hear of a machine."""

from __future__ import annotations

import json

from .harness import eventually
from .queues import Queue

STATE = "EC2 Instance State-change Notification"


def test_a_launch_is_told_state_by_state(idle):
    queue = Queue(idle, {"source": ["aws.ec2"], "detail-type": [STATE]})
    one = idle.launch()
    machine = idle.wait_state(one, "running")
    for state in ("pending", "running"):
        event = queue.wait(STATE, one, state=state)
        account, region = machine["account"], machine["region"]
        assert event["resources"] == [f"arn:aws:ec2:{region}:{account}:instance/{one}"]


def test_the_pattern_decides(idle):
    wanted = {"detail": {"state": ["terminated"]}}
    queue = Queue(idle, wanted)
    one = idle.launch()
    idle.wait_state(one, "running")
    idle.client("ec2").terminate_instances(InstanceIds=[one])
    queue.wait(STATE, one, state="terminated")
    assert [event["detail"]["state"] for event in queue.heard] == ["terminated"]


def test_another_account_hears_nothing(idle):
    theirs = Queue(idle, {"source": ["aws.ec2"]}, **idle.as_account("222222222222"))
    ours = Queue(idle, {"source": ["aws.ec2"]})
    one = idle.launch()
    ours.wait(STATE, one, state="running")
    theirs.poll()
    assert theirs.heard == []


def test_a_disabled_rule_hears_nothing(idle):
    queue = Queue(idle, {"source": ["aws.ec2"]})
    idle.client("events").disable_rule(Name="interruptions")
    one = idle.launch()
    idle.wait_state(one, "running")
    queue.poll()
    assert queue.heard == []


def test_a_topic_can_be_the_target(idle):
    sns, sqs = idle.client("sns"), idle.client("sqs")
    topic = sns.create_topic(Name="machines")["TopicArn"]
    url = sqs.create_queue(QueueName="via-topic")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"])
    events = idle.client("events")
    events.put_rule(Name="to-topic", EventPattern=json.dumps({"source": ["aws.ec2"]}))
    events.put_targets(Rule="to-topic", Targets=[{"Id": "t", "Arn": topic}])
    one = idle.launch()

    def heard():
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1).get("Messages")
        return json.loads(json.loads(got[0]["Body"])["Message"]) if got else None

    assert eventually(heard)["detail"]["instance-id"] == one


def test_a_target_that_is_gone_harms_nobody(idle):
    queue = Queue(idle, {"source": ["aws.ec2"]})
    gone = {"Id": "gone", "Arn": "arn:aws:sqs:us-east-1:123456789012:nowhere"}
    idle.client("events").put_targets(Rule="interruptions", Targets=[gone])
    one = idle.launch()
    queue.wait(STATE, one, state="running")


def test_a_long_poll_ends_when_the_event_comes(idle):
    queue = Queue(idle, {"detail": {"state": ["terminated"]}})
    one = idle.launch()
    machine = idle.wait_state(one, "running")
    idle.interrupt(machine["id"], "death", in_seconds=0.5)
    queue.poll(seconds=20)
    assert [event["detail"]["instance-id"] for event in queue.heard] == [one]
