"""Machines that are awkward to end: members of groups, persistent requests, protection, disks that stay."""

import pytest

from agents.models import Instance
from replicas import obstacles
from replicas.models import Saga
from replicas.tests.world import later, warm_ec2
from spotopt.cloud import replacers


def promote(world, primary, standby):
    path = primary.path(f"replicas/{standby.answer['replica_id']}/promote")
    assert world.api.post(path).json()["promoted"] is True
    world.settled()


def protect(world, instance_id, value=True):
    warm_ec2(world.sim).modify_instance_attribute(
        InstanceId=instance_id, DisableApiTermination={"Value": value}
    )


@pytest.fixture
def group(world):
    """An Auto Scaling group with one machine in it."""
    ec2, scaling = warm_ec2(world.sim), world.sim.client("autoscaling")
    ec2.create_launch_template(
        LaunchTemplateName="member",
        LaunchTemplateData={"ImageId": "ami-simulated00000000", "InstanceType": "t3.medium"},
    )
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="web",
        LaunchTemplate={"LaunchTemplateName": "member"},
        MinSize=0,
        MaxSize=2,
        DesiredCapacity=1,
        AvailabilityZones=["us-east-1a"],
    )
    return scaling


def members(group):
    [found] = group.describe_auto_scaling_groups()["AutoScalingGroups"]
    return [one["InstanceId"] for one in found["Instances"]], found["DesiredCapacity"]


@pytest.fixture
def member(world, group):
    [instance_id], _ = members(group)
    return world.claim(instance_id, mode="on-demand")


def test_an_ordinary_machine_has_no_warnings(world, primary):
    assert primary.answer["warnings"] == []
    assert world.told("enrolment_warning") == []
    assert not set(obstacles.OWN) & set(primary.row.launch_facts)


def test_a_member_is_detached_before_it_is_ended(world, group, member):
    primary = world.enrolled(member)
    assert primary.answer["warnings"] == []
    assert primary.row.ours
    promote(world, primary, world.standby(primary))
    assert primary.instance_id not in world.billing()
    # No other was started in its place.
    assert members(group) == ([], 0)


def test_a_member_that_may_not_be_detached_is_told_at_enrolment_and_left(world, group, member):
    world.sim.fault(kind="deny", action="autoscaling:DetachInstances")
    primary = world.enrolled(member)
    [warning] = primary.answer["warnings"]
    assert "Auto Scaling group web" in warning
    assert "autoscaling:DetachInstances" in warning
    [line] = world.told("enrolment_warning")
    assert primary.instance_id in line
    assert not primary.row.ours
    promote(world, primary, world.standby(primary))
    assert primary.instance_id in world.billing()
    assert members(group) == ([primary.instance_id], 1)


def test_permission_withdrawn_after_enrolment(world, group, member):
    primary = world.enrolled(member)
    standby = world.standby(primary)
    world.sim.fault(kind="deny", action="autoscaling:DetachInstances")
    promote(world, primary, standby)
    assert world.primaries(primary.agent_id) == [standby.instance_id]
    assert primary.instance_id in world.billing()
    [line] = world.told("old_machine_left_running")
    assert "Auto Scaling group" in line
    assert Saga.objects.get().status == Saga.Status.DONE


def test_asking_whether_one_may_detach_changes_nothing(world, group, member):
    world.enrolled(member)
    assert members(group) == ([member["instance_id"]], 1)


def test_the_successor_is_no_member(world, group, member):
    primary = world.enrolled(member)
    standby = world.standby(primary)
    assert primary.row.launch_facts[obstacles.GROUP] == "web"
    assert obstacles.GROUP not in standby.row.launch_facts


# --- persistent requests --------------------------------------------------------------------------


@pytest.fixture
def persistent(world):
    instance_id = world.sim.launch(
        ec2=warm_ec2(world.sim),
        spot=False,
        InstanceType="t3.medium",
        Placement={"AvailabilityZone": "us-east-1a"},
        InstanceMarketOptions={
            "MarketType": "spot",
            "SpotOptions": {
                "SpotInstanceType": "persistent",
                "InstanceInterruptionBehavior": "stop",
            },
        },
    )
    return world.claim(instance_id)


def request_of(world, instance_id):
    told = warm_ec2(world.sim).describe_spot_instance_requests()["SpotInstanceRequests"]
    return next(r for r in told if r.get("InstanceId") == instance_id)


def test_a_persistent_request_is_cancelled_first(world, persistent):
    assert request_of(world, persistent["instance_id"])["Type"] == "persistent"
    primary = world.enrolled(persistent)
    assert primary.answer["warnings"] == []
    assert primary.row.launch_facts[obstacles.REQUEST].startswith("sir-")
    promote(world, primary, world.standby(primary))
    assert primary.instance_id not in world.billing()
    assert request_of(world, primary.instance_id)["State"] in ("cancelled", "closed")


def test_one_that_may_not_be_cancelled_is_told_and_left(world, persistent):
    world.sim.fault(kind="deny", action="CancelSpotInstanceRequests")
    primary = world.enrolled(persistent)
    [warning] = primary.answer["warnings"]
    assert "persistent" in warning
    promote(world, primary, world.standby(primary))
    assert primary.instance_id in world.billing()


def test_a_throttled_cancel_is_asked_again(world, persistent, impatient):
    primary = world.enrolled(persistent)
    standby = world.standby(primary)
    world.sim.fault(kind="throttle", action="CancelSpotInstanceRequests", count=2)
    promote(world, primary, standby)
    assert primary.instance_id not in world.billing()


def test_the_order_is_request_then_machine(world, persistent, monkeypatch):
    real, states = replacers.cancel, []

    def watched(*args, **more):
        states.append(world.sim.instance(persistent["instance_id"])["state"])
        real(*args, **more)

    monkeypatch.setattr(replacers, "cancel", watched)
    primary = world.enrolled(persistent)
    promote(world, primary, world.standby(primary))
    assert states[0] == "running"


# --- protection -----------------------------------------------------------------------------------


def test_a_protected_machine_is_told_and_left(world):
    instance_id = world.start()
    protect(world, instance_id)
    primary = world.enrolled(world.claim(instance_id))
    assert "termination protection" in primary.answer["warnings"][0]
    promote(world, primary, world.standby(primary))
    assert instance_id in world.billing()
    [line] = world.told("old_machine_left_running")
    assert "protection" in line
    assert Saga.objects.get().status == Saga.Status.DONE
    row = primary.row
    assert (row.retire_asked_at, row.ours, row.terminated_at) == (None, False, None)
    assert row.role == Instance.Role.SUPERSEDED


def test_protection_set_later_does_not_keep_the_emergency_waiting(world, primary):
    protect(world, primary.instance_id)
    standby = world.standby(primary)
    assert primary.notice().json()["action_taken"] == "promoted_replica"
    world.settled()
    assert world.primaries(primary.agent_id) == [standby.instance_id]
    assert len(world.told("old_machine_left_running")) == 1


def test_in_a_sweep_one_protected_machine_keeps_no_other(world, primary):
    other = world.enrol("us-east-1b", logical_agent_id="other")
    protect(world, primary.instance_id)
    Instance.objects.update(retire_asked_at=later()(), role=Instance.Role.SUPERSEDED)
    world.sweep_until(lambda: other.row.terminated_at)
    assert world.billing() == {primary.instance_id}
    [line] = world.told("old_machine_left_running")
    assert primary.instance_id in line
    assert primary.row.retire_asked_at is None


def test_a_protected_standby_is_told_and_ends_its_saga(world, primary):
    standby = world.standby(primary)
    protect(world, standby.instance_id)
    world.api.delete(primary.path(f"replicas/{standby.answer['replica_id']}"))
    world.settled()
    assert Saga.objects.get().status == Saga.Status.ABANDONED
    assert standby.instance_id in world.billing()
    [line] = world.told("old_machine_left_running")
    assert standby.instance_id in line


def test_enrolment_goes_on_where_none_of_it_may_be_asked(world, group, member):
    world.sim.fault(kind="deny", action="DescribeInstanceAttribute")
    primary = world.enrolled(member)
    # What can't be known of a member forbids its end.
    assert not primary.row.ours
    assert primary.row.verified


# --- disks ----------------------------------------------------------------------------------------


@pytest.fixture
def with_disk(world, primary):
    """A second disk, which is not deleted with the machine."""
    ec2 = warm_ec2(world.sim)
    disk = ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    world.sim.wait_state(primary.instance_id, "running")
    ec2.attach_volume(VolumeId=disk, InstanceId=primary.instance_id, Device="/dev/sdf")
    return disk


def test_disks_left_behind_are_listed(world, primary, with_disk):
    promote(world, primary, world.standby(primary))
    assert primary.instance_id not in world.billing()
    [line] = world.told("volumes_left_behind")
    assert with_disk in line
    assert with_disk in primary.row.launch_facts[obstacles.VOLUMES]
    left = Instance.objects.leaving_volumes()
    assert [row.instance_id for row in left] == [primary.instance_id]


def test_disks_that_may_not_be_seen_keep_nothing_waiting(world, primary, with_disk):
    standby = world.standby(primary)
    world.sim.fault(kind="deny", action="DescribeVolumes")
    promote(world, primary, standby)
    assert primary.instance_id not in world.billing()
    assert not Instance.objects.leaving_volumes()
