"""Images taken of primaries on a schedule, and their end."""

import pytest

from agents.models import Agent, Instance, MachineImage
from clients.models import Client
from replicas import images, tasks
from replicas.models import Saga, Step
from replicas.tests.world import later, warm_ec2
from spotopt.cloud import images as cloud_images
from spotopt.cloud import session


@pytest.fixture(autouse=True)
def photographed(world):
    world.client.image_policy = Client.ImagePolicy.SNAPSHOT
    world.client.save()


def refresh(**span):
    return images.refresh(clock=later(**span))


def in_aws(world):
    told = warm_ec2(world.sim).describe_images(Owners=["self"])["Images"]
    return {image["ImageId"]: image for image in told if image["Name"].startswith("spotopt-")}


def snapshots(world):
    return {
        s["SnapshotId"]
        for s in warm_ec2(world.sim).describe_snapshots(OwnerIds=["self"])["Snapshots"]
    }


def available():
    rows = MachineImage.objects.filter(status="available").order_by("created_at")
    return list(rows.values_list("image_id", flat=True))


def test_one_is_taken_and_the_next_when_it_is_due(world, primary):
    assert refresh() == 1
    [image] = MachineImage.objects.all()
    assert (image.status, image.instance_id) == ("available", primary.instance_id)
    [made] = in_aws(world).values()
    tags = {tag["Key"]: tag["Value"] for tag in made["Tags"]}
    assert tags["spotopt:client"] == str(world.client.pk)
    assert tags["spotopt:agent"] == primary.agent_id
    assert refresh(hours=23) == 0
    assert refresh(hours=25) == 1
    assert len(in_aws(world)) == 2


def test_the_task_says_what_it_did(primary):
    assert tasks.refresh_images() == "1 images begun"
    assert tasks.refresh_images() == "0 images begun"


@pytest.mark.parametrize(
    "fields", [{"image_policy": "own"}, {"automation": False}, {"status": "deleting"}]
)
def test_only_where_it_is_wanted(world, primary, fields):
    Client.objects.filter(pk=world.client.pk).update(**fields)
    assert refresh() == 0
    assert in_aws(world) == {}


def test_not_of_a_disabled_agent_nor_of_an_unverified_machine(world, primary):
    primary.configure(enabled=False)
    assert refresh() == 0
    primary.configure(enabled=True)
    Instance.objects.update(verified=False)
    assert refresh() == 0


def test_it_reboots_nothing(world, primary, monkeypatch):
    asked = []
    real = session.client

    class Watched:
        def __init__(self, inner):
            self.inner = inner

        def create_image(self, **more):
            asked.append(more)
            return self.inner.create_image(**more)

        def __getattr__(self, name):
            return getattr(self.inner, name)

    monkeypatch.setattr(session, "client", lambda *a: Watched(real(*a)))
    refresh()
    assert asked[0]["NoReboot"] is True


def test_a_lost_answer_makes_no_second_image(world, primary):
    world.sim.fault(kind="lost_answer", action="CreateImage")
    refresh()
    assert MachineImage.objects.get().status == "wanted"
    refresh(minutes=10)
    assert MachineImage.objects.get().status == "available"
    assert len(in_aws(world)) == 1


def test_throttling_waits(world, primary):
    world.sim.fault(kind="throttle", action="CreateImage", count=1)
    refresh()
    assert MachineImage.objects.get().status == "wanted"
    assert refresh(minutes=10) == 0
    assert MachineImage.objects.get().status == "available"


def test_what_is_forbidden_is_told_once_a_day(world, primary):
    world.sim.fault(kind="deny", action="CreateImage")
    refresh()
    assert refresh(minutes=10) == 0
    [line] = world.told("image_failed")
    assert primary.instance_id in line
    assert "UnauthorizedOperation" in line
    assert refresh(hours=25) == 1
    assert len(world.told("image_failed")) == 2


@pytest.mark.parametrize(("state", "status"), [("pending", "pending"), ("failed", "failed")])
def test_it_is_used_once_it_is_available(world, primary, monkeypatch, state, status):
    real = cloud_images.describe

    def slow(*args):
        return {
            key: cloud_images.Image(key, image.name, state) for key, image in real(*args).items()
        }

    monkeypatch.setattr(cloud_images, "describe", slow)
    refresh()
    assert MachineImage.objects.get().status == status
    assert refresh(hours=1) == 0
    monkeypatch.setattr(cloud_images, "describe", real)
    refresh(hours=2)
    assert MachineImage.objects.get().status == ("available" if state == "pending" else "failed")
    if state == "failed":
        assert in_aws(world) == {}


def test_one_that_never_comes_is_given_up(world, primary, monkeypatch):
    monkeypatch.setattr(cloud_images, "describe", lambda *args: {})
    refresh()
    refresh(hours=13)
    assert MachineImage.objects.get().status == "failed"
    assert len(world.told("image_failed")) == 1


# --- their end ------------------------------------------------------------------------------------


def take(days):
    for day in days:
        refresh(days=day)


def test_the_newest_are_kept_and_their_snapshots_go_with_the_others(world, primary):
    before = snapshots(world)
    take([-6, -5, -4, -3])
    assert len(available()) == 3
    assert set(in_aws(world)) == set(available())
    assert len(snapshots(world) - before) == 3
    assert MachineImage.objects.filter(status="deleted").exclude(deleted_at=None).count() == 1


def test_old_ones_go_save_the_newest(world, primary):
    take([-6, -5])
    Client.objects.update(image_policy="own")
    refresh(days=26)
    assert len(available()) == 1
    refresh(days=400)
    assert len(available()) == 1
    assert len(in_aws(world)) == 1


def test_those_of_a_slot_that_is_no_more_go(world, primary):
    take([-2, -1])
    Agent.objects.update(status=Agent.Status.TERMINATED)
    refresh()
    assert available() == []
    assert in_aws(world) == {}


def test_one_that_a_machine_runs_from_stays(world, primary):
    take([-9])
    [first] = available()
    Instance.objects.update(image_id=first)
    take([-8, -7, -6, -5])
    assert first in available()
    Instance.objects.update(image_id="ami-other")
    refresh()
    assert first not in available()


def test_one_that_a_launch_under_way_names_stays(world, primary):
    take([-9])
    [first] = available()
    saga = Saga.objects.create(
        client=world.client, agent_id=primary.agent_id, trigger="emergency", goal="promote",
        created_at=later()(), old_instance=primary.row,
    )  # fmt: skip
    step = Step.objects.create(
        saga=saga, name="launch", started_at=later()(), detail={"spec": {"image_id": first}}
    )
    take([-8, -7, -6, -5])
    assert first in available()
    step.outcome = Step.Outcome.REFUSED
    step.save()
    refresh()
    assert first not in available()


def test_one_that_a_client_has_chosen_stays(world, primary):
    take([-9])
    [first] = available()
    Client.objects.update(image_id=first)
    take([-8, -7, -6, -5])
    assert first in available()


def test_a_deletion_that_broke_off_leaves_no_snapshot(world, primary, monkeypatch):
    before = snapshots(world)
    take([-6, -5, -4])
    world.sim.fault(kind="throttle", action="DeleteSnapshot", count=1)
    refresh(days=-3)
    assert len(snapshots(world) - before) == 4
    assert len(in_aws(world)) == 3
    refresh(days=-3, minutes=10)
    assert len(snapshots(world) - before) == 3
    assert len(available()) == 3


def test_images_of_others_are_never_touched(world, primary):
    mine = warm_ec2(world.sim).create_image(InstanceId=primary.instance_id, Name="golden")
    take([-6, -5, -4, -3, -2])
    told = warm_ec2(world.sim).describe_images(Owners=["self"])["Images"]
    assert mine["ImageId"] in {image["ImageId"] for image in told}


def test_a_replacement_is_launched_from_it(world, primary):
    refresh()
    [image] = available()
    primary.notice()
    assert str(Instance.objects.get(role="standby").image_id) == image
    assert (
        warm_ec2(world.sim).describe_instances(InstanceIds=world.launched)["Reservations"][0][
            "Instances"
        ][0]["ImageId"]
        == image
    )
