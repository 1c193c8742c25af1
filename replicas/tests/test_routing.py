"""Traffic follows the primary: target group, Elastic IP, DNS record, webhook."""

import hashlib
import hmac
import json
from datetime import timedelta

import pytest

from agents import webhooks
from replicas import followers, routes
from replicas.models import Saga, Step
from replicas.tests.world import later
from spotopt.cloud import addresses, errors, routing
from spotopt.lib.tests.test_outbound import Receiver


@pytest.fixture
def group(world, primary) -> str:
    """A target group with the primary in it, set up for its agent."""
    elb = world.sim.client("elbv2")
    vpc = world.sim.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    [made] = elb.create_target_group(Name="web", Protocol="HTTP", Port=80, VpcId=vpc)[
        "TargetGroups"
    ]
    elb.register_targets(
        TargetGroupArn=made["TargetGroupArn"], Targets=[{"Id": primary.instance_id}]
    )
    primary.configure(target_group_arn=made["TargetGroupArn"])
    return str(made["TargetGroupArn"])


@pytest.fixture
def zone(world) -> str:
    made = world.sim.client("route53").create_hosted_zone(
        Name="example.com", CallerReference="test"
    )
    return str(made["HostedZone"]["Id"]).rpartition("/")[2]


@pytest.fixture
def receiver(settings):
    settings.DEBUG = True  # it listens on this very machine
    running = Receiver()
    yield running
    running.shutdown()
    running.server_close()


def targets(world, arn):
    told = world.sim.client("elbv2").describe_target_health(TargetGroupArn=arn)
    return {
        t["Target"]["Id"]
        for t in told["TargetHealthDescriptions"]
        if t["TargetHealth"]["State"] != "draining"
    }


def record(world, zone, kind="A"):
    sets = world.sim.client("route53").list_resource_record_sets(HostedZoneId=zone)
    for found in sets["ResourceRecordSets"]:
        if found["Type"] == kind:
            return found["Name"], found["TTL"], [r["Value"] for r in found["ResourceRecords"]]
    return None


def promote(world, primary, standby):
    path = primary.path(f"replicas/{standby.answer['replica_id']}/promote")
    answer = world.api.post(path)
    assert answer.json()["promoted"] is True, answer.json()
    return standby


def moved(world, primary, **routing_document):
    primary.configure(routing=routing_document)
    return promote(world, primary, world.standby(primary))


def steps(world, name):
    return list(world.saga.steps.filter(name=name).order_by("attempt"))


# --- DNS and addresses ----------------------------------------------------------------------------


def dns(zone, **more):
    return {"zone_id": zone, "name": "api.example.com", "type": "A", "address": "private",
            "ttl": 15, **more}  # fmt: skip


def test_the_record_points_to_the_new_machine(world, primary, zone):
    fresh = moved(world, primary, dns=dns(zone))
    assert record(world, zone) == (
        "api.example.com.",
        15,
        [world.sim.instance(fresh.instance_id)["private_ip"]],
    )
    [step] = steps(world, "dns")
    assert (step.outcome, step.detail["instance_id"]) == ("done", fresh.instance_id)


def test_a_public_record_follows_the_elastic_ip(world, primary, zone):
    ec2 = world.sim.client("ec2")
    given = ec2.allocate_address(Domain="vpc")
    ec2.associate_address(AllocationId=given["AllocationId"], InstanceId=primary.instance_id)
    fresh = moved(
        world,
        primary,
        elastic_ip={"allocation_id": given["AllocationId"]},
        dns=dns(zone, address="public"),
    )
    [address] = ec2.describe_addresses(AllocationIds=[given["AllocationId"]])["Addresses"]
    assert address["InstanceId"] == fresh.instance_id
    assert record(world, zone) == ("api.example.com.", 15, [given["PublicIp"]])


def test_the_same_twice_is_one_record(world, primary, zone):
    fresh = moved(world, primary, dns=dns(zone))
    saga = world.saga
    followers._point_record(saga, fresh.row, later()())
    followers._point_record(saga, fresh.row, later()())
    assert len(record(world, zone)[2]) == 1


@pytest.mark.parametrize(
    ("document", "step", "words"),
    [
        ({"dns": dns("ZMISSING")}, "dns", "DNS record"),
        ({"elastic_ip": {"allocation_id": "eipalloc-01234567"}}, "elastic_ip", "Elastic IP"),
    ],
)
def test_what_is_not_there_is_told_and_the_promotion_goes_on(world, primary, document, step, words):
    fresh = moved(world, primary, **document)
    assert world.primaries(primary.agent_id) == [fresh.instance_id]
    [line] = world.told("routing_failed")
    assert words in line
    assert [s.outcome for s in steps(world, step)] == ["refused"]
    world.settled()
    assert world.saga.status == Saga.Status.DONE
    assert len(world.told("routing_failed")) == 1


def test_a_machine_without_such_an_address_is_told(world, primary, zone):
    moved(world, primary, dns=dns(zone, type="AAAA"))
    [line] = world.told("routing_failed")
    assert "DNS record" in line
    assert record(world, zone, "AAAA") is None


def test_no_answer_before_the_promotion_is_made_good_after_it(world, primary, monkeypatch):
    given = world.sim.client("ec2").allocate_address(Domain="vpc")
    real, asked = addresses.associate, []

    def lame(*args, **more):
        asked.append(world.primaries(primary.agent_id))
        if len(asked) < 3:
            raise errors.UnreachableError("ReadTimeoutError")
        real(*args, **more)

    monkeypatch.setattr(addresses, "associate", lame)
    fresh = moved(world, primary, elastic_ip={"allocation_id": given["AllocationId"]})
    # Once before, where each try may take seconds; from then on the new one serves already.
    assert asked[:2] == [[primary.instance_id], [fresh.instance_id]] or len(asked) == 1
    world.settled()
    assert len(asked) == 3
    [step] = steps(world, "elastic_ip")
    assert (step.outcome, step.detail["tries"]) == ("done", 3)
    assert world.told("routing_failed") == []


def test_what_never_answers_is_given_up_and_told_once(world, primary, monkeypatch):
    def mute(*args, **more):
        raise errors.ThrottleError("RequestLimitExceeded")

    monkeypatch.setattr(addresses, "associate", mute)
    fresh = moved(world, primary, elastic_ip={"allocation_id": "eipalloc-01234567"})
    assert world.primaries(primary.agent_id) == [fresh.instance_id]
    for minutes in range(1, 12):
        world.sweep(later(minutes=minutes))
    assert world.saga.status == Saga.Status.DONE
    [line] = world.told("routing_failed")
    assert "RequestLimitExceeded" in line
    assert steps(world, "elastic_ip")[0].detail["tries"] == routes.ALL_TRIES


def test_a_move_that_has_been_overtaken_takes_no_traffic_back(world, primary, monkeypatch):
    """The first move's address never answered; by the time it would, another machine serves."""
    given = world.sim.client("ec2").allocate_address(Domain="vpc")
    real = addresses.associate

    def mute(*args, **more):
        raise errors.UnreachableError("ReadTimeoutError")

    monkeypatch.setattr(addresses, "associate", mute)
    second = moved(world, primary, elastic_ip={"allocation_id": given["AllocationId"]})
    monkeypatch.setattr(addresses, "associate", real)
    first_saga = Saga.objects.get()
    third = promote(world, second, world.standby(second))
    for minutes in range(1, 6):
        world.sweep(later(minutes=minutes))
    first_saga.refresh_from_db()
    assert first_saga.status == Saga.Status.DONE
    told = world.sim.client("ec2").describe_addresses(AllocationIds=[given["AllocationId"]])
    assert told["Addresses"][0]["InstanceId"] == third.instance_id
    assert first_saga.steps.get(name="elastic_ip").outcome == Step.Outcome.REFUSED


# --- target groups --------------------------------------------------------------------------------


def test_the_old_target_stays_until_the_new_one_is_healthy(world, primary, group, monkeypatch):
    real, states = routing.health, ["initial"]

    def slow(*args, **more):
        return {
            key: (states[0] if key != primary.instance_id else word)
            for key, word in real(*args, **more).items()
        }

    monkeypatch.setattr(routing, "health", slow)
    standby = promote(world, primary, world.standby(primary))
    assert world.primaries(primary.agent_id) == [standby.instance_id]
    world.sweep(later(seconds=40))
    assert targets(world, group) == {primary.instance_id, standby.instance_id}
    assert steps(world, "deroute") == []

    states[0] = "healthy"
    world.settled()
    assert targets(world, group) == {standby.instance_id}
    [step] = steps(world, "healthy")
    assert step.outcome == "done"
    assert step.detail["seconds_after_promotion"] >= 0
    assert steps(world, "deroute")[0].started_at >= step.ended_at


@pytest.mark.parametrize("state", ["initial", "unhealthy"])
def test_it_is_not_waited_for_for_ever(world, primary, group, monkeypatch, state):
    real = routing.health
    monkeypatch.setattr(
        routing, "health", lambda *a, **more: dict.fromkeys(real(*a, **more), state)
    )
    standby = promote(world, primary, world.standby(primary))
    world.settled(later(minutes=3))
    assert targets(world, group) == {standby.instance_id}
    [line] = world.told("target_not_healthy")
    assert standby.instance_id in line
    assert state in line


def test_a_group_without_a_load_balancer_is_not_waited_for(world, primary, group, monkeypatch):
    monkeypatch.setattr(routing, "health", lambda *a, **more: {world.launched[-1]: "unused"})
    standby = promote(world, primary, world.standby(primary))
    world.settled()
    assert targets(world, group) == {standby.instance_id}
    assert world.told("target_not_healthy") == []


def test_in_an_emergency_the_old_target_goes_at_once(world, primary, group, monkeypatch):
    real = routing.health
    monkeypatch.setattr(
        routing, "health", lambda *a, **more: dict.fromkeys(real(*a, **more), "initial")
    )
    standby = world.standby(primary)
    told = primary.notice().json()
    assert told["action_taken"] == "promoted_replica"
    assert targets(world, group) == {standby.instance_id}
    monkeypatch.setattr(routing, "health", real)
    world.settled()
    [step] = [s for s in steps(world, "healthy") if s.outcome == "done"]
    assert step.ended_at >= steps(world, "deroute")[0].ended_at


def test_a_replica_lost_at_the_last_moment_leaves_the_next_one_to_be_routed(
    world, primary, group, zone
):
    primary.configure(routing={"dns": dns(zone)})
    standby = world.standby(primary)
    saga = Saga.objects.get()
    now = later()()
    for name in ("route", "dns"):
        Step.objects.create(
            saga=saga, name=name, started_at=now, ended_at=now, outcome=Step.Outcome.DONE,
            detail={"instance_id": "i-0lost"},
        )  # fmt: skip
    promote(world, primary, standby)
    world.settled()
    assert targets(world, group) == {standby.instance_id}
    assert record(world, zone) is not None


# --- webhook --------------------------------------------------------------------------------------


def test_the_webhook_is_told_and_can_check_who_tells_it(world, primary, receiver):
    fresh = moved(world, primary, webhook={"url": receiver.url, "allow_http": True})
    [(path, headers, body)] = receiver.seen
    assert path == "/moved?x=1"
    told = json.loads(body)
    assert told["event"] == "primary_changed"
    assert told["agent_id"] == primary.agent_id
    assert told["new"]["instance_id"] == fresh.instance_id
    assert told["old"]["instance_id"] == primary.instance_id
    assert told["trigger"] == "manual"
    assert told["promoted_at"].endswith("Z")
    seconds, mark = headers["Spotopt-Signature"].split(",")
    [secret] = webhooks.secrets_of(primary.agent)
    signed = f"{seconds.removeprefix('t=')}.".encode() + body
    assert mark == "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    world.settled()
    assert len(receiver.seen) == 1


def test_after_a_rotation_of_keys_the_old_secret_still_fits(world, primary, settings):
    content = webhooks.body({"a": 1})
    now = later()()
    [old] = webhooks.secrets_of(primary.agent)
    settings.TOKEN_KEYS = ["a new one", *settings.TOKEN_KEYS]
    assert webhooks.secrets_of(primary.agent)[1] == old
    marks = webhooks.headers(primary.agent, content, now=now)["Spotopt-Signature"].split(",")[1:]
    signed = f"{int(now.timestamp())}.".encode() + content
    assert "v1=" + hmac.new(old.encode(), signed, hashlib.sha256).hexdigest() in marks


def test_secrets_are_each_agents_own(slot, other_slot):
    assert webhooks.secrets_of(slot.agent) != webhooks.secrets_of(other_slot.agent)


def test_a_webhook_that_fails_is_asked_again_with_the_same_words(world, primary, receiver):
    receiver.statuses = [503, 503, 200]
    fresh = moved(world, primary, webhook={"url": receiver.url, "allow_http": True})
    assert world.primaries(primary.agent_id) == [fresh.instance_id]
    world.settled()
    assert len(receiver.seen) == 3
    assert len({body for _, _, body in receiver.seen}) == 1
    assert world.told("routing_failed") == []


def test_a_webhook_that_refuses_is_told_to_people(world, primary, receiver):
    receiver.statuses = [410]
    moved(world, primary, webhook={"url": receiver.url, "allow_http": True})
    world.settled()
    assert len(receiver.seen) == 1
    [line] = world.told("routing_failed")
    assert "webhook" in line
    assert "410" in line


def test_outside_debugging_this_machine_is_not_called(world, primary, receiver, settings):
    settings.DEBUG = False
    fresh = moved(world, primary, webhook={"url": receiver.url, "allow_http": True})
    assert world.primaries(primary.agent_id) == [fresh.instance_id]
    assert receiver.seen == []
    assert len(world.told("routing_failed")) == 1


def test_the_old_machine_ends_without_waiting_for_the_webhook(world, primary, receiver):
    receiver.statuses = [503]
    moved(world, primary, webhook={"url": receiver.url, "allow_http": True})
    world.sweep_until(lambda: primary.row.terminated_at, later(seconds=3))
    assert Saga.objects.get().status == Saga.Status.RETIRING
    for minutes in range(1, 12):
        world.sweep(later(minutes=minutes))
    assert Saga.objects.get().status == Saga.Status.DONE
    assert len(world.told("routing_failed")) == 1


def test_a_machine_left_running_is_told_once_while_the_webhook_is_tried(world, primary, receiver):
    receiver.statuses = [503]
    primary.configure(routing={"webhook": {"url": receiver.url, "allow_http": True}})
    primary.row.__class__.objects.filter(instance_id=primary.instance_id).update(ours=False)
    promote(world, primary, world.standby(primary))
    for minutes in range(1, 12):
        world.sweep(later(minutes=minutes))
    assert len(world.told("old_machine_left_running")) == 1


def test_pauses_grow(world, primary, receiver):
    receiver.statuses = [503]
    moved(world, primary, webhook={"url": receiver.url, "allow_http": True})
    count = len(receiver.seen)
    world.sweep(later(seconds=0))
    assert len(receiver.seen) == count
    assert world.saga.due_at <= later()() + timedelta(seconds=3)
