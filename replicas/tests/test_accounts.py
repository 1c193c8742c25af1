"""Clients with accounts of their own: what their connections may do, and that neither sees the other's."""

import pytest
from django.urls import reverse

from clients import connection, tokens
from clients.models import Client
from replicas import reconcile
from replicas.tests.world import World, later
from simulator.tests.harness import IMAGE
from spotopt.cloud import compute, errors, permissions
from spotopt.tests import cast

SPOT_ROLE = f"iam: {permissions.SPOT_ROLE}"
REGION = "us-east-1"


def connected(client, number):
    Client.objects.filter(pk=client.pk).update(
        aws_role_arn=f"arn:aws:iam::{number}:role/spotopt", image_id=IMAGE
    )
    client.refresh_from_db()
    return client


def verdicts(client):
    return {one.action: one.verdict for one in connection.check(client)[REGION]}


def test_a_connection_that_may_do_all(world):
    told = verdicts(connected(world.client, "222222222222"))
    assert told.pop(SPOT_ROLE) == "missing"  # the account has never launched spot
    assert "missing" not in told.values()
    for action in ("ec2:RunInstances", "ec2:DescribeInstances", "ec2:DescribeSpotPriceHistory"):
        assert told[action] == "allowed"


@pytest.mark.parametrize(
    "action",
    ["ec2:RunInstances", "ec2:TerminateInstances", "ec2:CreateImage", "ec2:DescribeVolumes"],
)
def test_what_is_missing_is_named(world, action):
    world.sim.fault(kind="deny", action=action)
    findings = connection.check(world.client)[REGION]
    assert permissions.missing(findings) == [action, SPOT_ROLE]


def test_the_spot_role_is_found(world):
    world.sim.client("iam").create_service_linked_role(AWSServiceName="spot.amazonaws.com")
    told = verdicts(world.client)
    assert told[SPOT_ROLE] in ("allowed", "missing")


def test_nothing_is_launched_tagged_or_taken_by_asking(world, primary):
    before = world.sim.state()
    connection.check(world.client)
    after = world.sim.state()
    assert after["launches"] == before["launches"]
    assert after["totals"]["billing_instances"] == before["totals"]["billing_instances"]
    assert world.sim.client("ec2").describe_images(Owners=["self"])["Images"] == []


def test_every_region_is_asked(world):
    Client.objects.filter(pk=world.client.pk).update(aws_regions=["us-east-1", "eu-west-1"])
    world.client.refresh_from_db()
    assert set(connection.check(world.client)) == {"us-east-1", "eu-west-1"}


def test_no_account_and_no_way_in(world, settings):
    world.sim.fault(kind="throttle", action="sts:GetCallerIdentity", count=1)
    with pytest.raises(errors.ThrottleError):
        connection.check(world.client)
    settings.SERVER_AWS_ACCOUNT = False
    with pytest.raises(connection.NotConnected):
        connection.check(world.client)


def test_the_admin_is_told(world, client, staff):
    client.force_login(staff)
    world.sim.fault(kind="deny", action="ec2:RunInstances")
    answer = client.post(
        reverse("admin:clients_client_changelist"),
        {"action": "check_connection", "_selected_action": [str(world.client.pk)]},
        follow=True,
    )
    [line] = [str(message) for message in answer.context["messages"]]
    assert "lacks ec2:RunInstances" in line


def test_the_admin_is_told_of_a_client_without_account(world, client, staff, settings):
    settings.SERVER_AWS_ACCOUNT = False
    client.force_login(staff)
    answer = client.post(
        reverse("admin:clients_client_changelist"),
        {"action": "check_connection", "_selected_action": [str(world.client.pk)]},
        follow=True,
    )
    [line] = [str(message) for message in answer.context["messages"]]
    assert "Connect an AWS account" in line


# --- two clients, two accounts --------------------------------------------------------------------


@pytest.fixture
def both(aws, client_acme, client_other):
    """Acme's and Other's worlds, each in an account of its own; the server's own is neither."""
    connected(client_acme, "222222222222")
    connected(client_other, "333333333333")
    worlds = World(aws, client_acme), World(aws, client_other)
    for world, number in zip(worlds, ("222222222222", "333333333333"), strict=True):
        world._ec2 = aws.client("ec2", **aws.as_account(number))
    return worlds


def test_each_launches_in_its_own_account(both):
    acme, other = both
    mine, theirs = acme.enrol(), other.enrol()
    assert mine.row.verified
    assert theirs.row.verified
    assert mine.notice().json()["action_taken"] == "created_emergency_replica"
    launched = [i for i in acme.launched if i not in (mine.instance_id, theirs.instance_id)]
    [fresh] = launched
    account, others = connection.account_for(acme.client), connection.account_for(other.client)
    assert set(compute.describe(account, REGION, [fresh, theirs.instance_id])) == {fresh}
    assert compute.describe(others, REGION, [fresh, mine.instance_id]) == {}


def test_anothers_machine_is_unknown_and_neither_tagged_nor_ended(both):
    acme, other = both
    stranger = other.start()
    body = acme.claim(stranger)
    claimed = acme.enrolled(body)
    assert not claimed.row.verified
    assert not claimed.row.ours
    standby = acme.standby(claimed)
    acme.api.post(claimed.path(f"replicas/{standby.answer['replica_id']}/promote"))
    acme.settled()
    assert stranger in other.billing()
    seen = compute.describe(connection.account_for(other.client), REGION, [stranger])[stranger]
    assert not any(key.startswith("spotopt:") for key in seen.tags)


def test_the_reconciler_keeps_them_apart(both):
    acme, other = both
    mine, theirs = acme.enrol(), other.enrol()
    reconcile.run(clock=later(minutes=10))
    for machine in (mine, theirs):
        row = machine.row
        assert (row.role, row.terminated_at) == ("primary", None)
    assert acme.told("instance_without_purpose") == []


def test_a_token_of_one_sees_nothing_of_the_other(both):
    acme, other = both
    theirs = other.enrol()
    token = tokens.issue_client(acme.client, later()())
    assert cast.bearer(token).get(theirs.path("config")).status_code == 404
    assert cast.bearer(token).get(theirs.path("replicas")).status_code == 404
