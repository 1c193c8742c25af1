"""What a replica is launched from, and what it takes over from the machine it stands in for."""

import pytest

from agents.models import Agent, MachineImage
from clients.models import Client
from replicas import recipes
from replicas.models import Step
from replicas.tests.world import later, warm_ec2
from spotopt.cloud import zones
from spotopt.cloud.account import Account


@pytest.fixture
def image(world) -> str:
    """An image of the account's own."""
    made = warm_ec2(world.sim).create_image(InstanceId=world.start(), Name="golden")
    return str(made["ImageId"])


def told(world, instance_id):
    [reservation] = warm_ec2(world.sim).describe_instances(InstanceIds=[instance_id])[
        "Reservations"
    ]
    return reservation["Instances"][0]


def settings_of(world, **fields):
    Client.objects.filter(pk=world.client.pk).update(**fields)


def launched(world, primary):
    standby = world.standby(primary)
    return told(world, standby.instance_id)


def test_its_own_image(world, primary):
    assert launched(world, primary)["ImageId"] == primary.row.image_id == "ami-simulated00000000"


def test_a_fixed_image(world, primary, image):
    settings_of(world, image_policy="fixed", image_id=image)
    assert launched(world, primary)["ImageId"] == image


def test_a_fixed_image_that_is_not_named_is_the_own_one(world, primary):
    settings_of(world, image_policy="fixed")
    assert launched(world, primary)["ImageId"] == "ami-simulated00000000"


def test_an_image_that_is_named_but_not_wanted(world, primary, image):
    settings_of(world, image_policy="own", image_id=image)
    assert launched(world, primary)["ImageId"] == "ami-simulated00000000"


def test_the_newest_available_snapshot(world, primary, image):
    settings_of(world, image_policy="snapshot")
    common = {
        "client": world.client,
        "agent_id": primary.agent_id,
        "instance_id": primary.instance_id,
        "region": "us-east-1",
    }
    for hours, status, image_id, region in (
        (-9, "available", "ami-older", "us-east-1"),
        (-5, "available", image, "us-east-1"),
        (-4, "available", "ami-elsewhere", "us-west-2"),
        (-1, "pending", "ami-pending", "us-east-1"),
        (-2, "failed", "ami-failed", "us-east-1"),
        (-3, "deleted", "ami-deleted", "us-east-1"),
    ):
        MachineImage.objects.create(
            **common | {"region": region},
            created_at=later(hours=hours)(),
            status=status,
            image_id=image_id,
        )
    assert launched(world, primary)["ImageId"] == image


def test_without_a_snapshot_yet_its_own_image(world, primary):
    settings_of(world, image_policy="snapshot")
    assert launched(world, primary)["ImageId"] == "ami-simulated00000000"


def test_the_agents_template_before_the_clients(world, primary, image):
    for name, image_id in (("of-the-client", "ami-simulated00000000"), ("of-the-agent", image)):
        warm_ec2(world.sim).create_launch_template(
            LaunchTemplateName=name, LaunchTemplateData={"ImageId": image_id}
        )
    settings_of(world, launch_template="of-the-client", image_policy="fixed", image_id="ami-no")
    primary.configure(launch_template="of-the-agent")
    assert launched(world, primary)["ImageId"] == image
    assert Step.objects.get(name="launch").detail["spec"]["launch_template"] == "of-the-agent"


def test_the_machine_after_next_is_launched_from_the_same_image(world, primary, image, settings):
    """Once the first move is over, the image is known of the new primary too."""
    settings.DEFAULT_AMI = ""
    settings_of(world, image_policy="fixed", image_id=image)
    second = world.standby(primary)
    world.api.post(primary.path(f"replicas/{second.answer['replica_id']}/promote"))
    settings_of(world, image_policy="own")
    world.settled()
    assert launched(world, second)["ImageId"] == image


# --- network, rights, tags ------------------------------------------------------------------------


@pytest.fixture
def network(world):
    """A VPC with two subnets, a group, a key and an instance profile."""
    ec2, iam = warm_ec2(world.sim), world.sim.client("iam")
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    subnets = {
        az: ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"10.7.{number}.0/24", AvailabilityZone=f"us-east-1{az}"
        )["Subnet"]["SubnetId"]
        for number, az in enumerate("ab")
    }
    group = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
    ec2.create_key_pair(KeyName="ops")
    profile = iam.create_instance_profile(InstanceProfileName="web")["InstanceProfile"]["Arn"]
    return {"vpc": vpc, "subnets": subnets, "group": group, "profile": profile}


@pytest.fixture
def settled_in(world, network):
    """A primary that is launched with all of it."""
    instance_id = world.sim.launch(
        ec2=warm_ec2(world.sim),
        InstanceType="t3.medium",
        SubnetId=network["subnets"]["a"],
        SecurityGroupIds=[network["group"]],
        KeyName="ops",
        IamInstanceProfile={"Arn": network["profile"]},
        TagSpecifications=[
            {
                "ResourceType": "instance",
                "Tags": [
                    {"Key": "Name", "Value": "web-1"},
                    {"Key": "team", "Value": "shop"},
                    {"Key": "spotopt:replica", "Value": "of another time"},
                ],
            }
        ],
    )
    return world.enrolled(world.claim(instance_id))


def facts(machine):
    return machine.row.launch_facts


def test_enrolment_notes_how_it_was_launched(settled_in, network):
    row = settled_in.row
    assert row.launch_facts == {
        "subnets": {
            "use1-az6": network["subnets"]["a"],
            "use1-az1": network["subnets"]["b"],
        },
        "security_groups": [network["group"]],
        "key_name": "ops",
        "instance_profile": network["profile"],
        "tags": {"Name": "web-1", "team": "shop"},
    }


def standby_in(world, machine, letter):
    from replicas.tests.world import pool_in

    return world.standby(machine, pool_id=pool_in(letter))


def test_the_standby_is_launched_alike_in_the_other_zones_subnet(world, settled_in, network):
    seen = told(world, standby_in(world, settled_in, "b").instance_id)
    assert seen["SubnetId"] == network["subnets"]["b"]
    assert [g["GroupId"] for g in seen["SecurityGroups"]] == [network["group"]]
    assert seen["KeyName"] == "ops"
    assert seen["IamInstanceProfile"]["Arn"] == network["profile"]
    carried = {t["Key"]: t["Value"] for t in seen["Tags"]}
    assert (carried["Name"], carried["team"]) == ("web-1", "shop")
    assert carried["spotopt:agent"] == settled_in.agent_id
    assert carried["spotopt:replica"] == str(world.replica.pk)


def test_where_its_network_does_not_reach_the_default_one_serves(world, settled_in, network):
    seen = told(world, standby_in(world, settled_in, "c").instance_id)
    assert seen["VpcId"] != network["vpc"]
    assert network["group"] not in [g["GroupId"] for g in seen["SecurityGroups"]]
    assert seen["KeyName"] == "ops"


def test_a_subnet_of_the_clients_choice_comes_first(world, settled_in, network):
    ec2 = warm_ec2(world.sim)
    chosen = ec2.create_subnet(
        VpcId=network["vpc"], CidrBlock="10.7.9.0/24", AvailabilityZone="us-east-1c"
    )["Subnet"]["SubnetId"]
    settings_of(world, aws_subnets={"use1-az2": chosen})
    seen = told(world, standby_in(world, settled_in, "c").instance_id)
    assert seen["SubnetId"] == chosen


def test_what_was_noted_passes_on_to_the_next_primary(world, settled_in):
    noted = facts(settled_in)
    standby = standby_in(world, settled_in, "b")
    assert facts(standby) == noted


def test_an_emergency_asks_nobody_how_to_launch(world, settled_in, monkeypatch):
    def forbidden(*args, **more):
        raise AssertionError("asked")

    monkeypatch.setattr(recipes, "facts_of", forbidden)
    monkeypatch.setattr(zones, "subnets_like", forbidden)
    assert settled_in.notice().json()["action_taken"] == "created_emergency_replica"
    assert told(world, world.launched[-1])["KeyName"] == "ops"


def test_a_template_brings_its_own(world, settled_in):
    warm_ec2(world.sim).create_launch_template(
        LaunchTemplateName="web", LaunchTemplateData={"ImageId": "ami-simulated00000000"}
    )
    Agent.objects.filter(pk=settled_in.agent_id).update(launch_template="web")
    seen = launched(world, settled_in)
    assert "KeyName" not in seen or not seen["KeyName"]


def test_enrolment_goes_on_where_the_network_may_not_be_seen(world):
    world.sim.fault(kind="deny", action="DescribeSubnets")
    primary = world.enrol()
    assert primary.row.verified
    assert facts(primary) == {}


def test_subnets_of_another_kind_are_left_out(world, network):
    ec2 = warm_ec2(world.sim)
    public = ec2.create_subnet(
        VpcId=network["vpc"], CidrBlock="10.7.8.0/24", AvailabilityZone="us-east-1b"
    )["Subnet"]["SubnetId"]
    ec2.modify_subnet_attribute(SubnetId=public, MapPublicIpOnLaunch={"Value": True})
    alike = zones.subnets_like(Account(), "us-east-1", network["subnets"]["a"])
    assert set(alike.values()) == set(network["subnets"].values())
