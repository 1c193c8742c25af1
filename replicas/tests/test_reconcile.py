"""Our rows against EC2: what died, what runs without a row, what is not ours to touch."""

import uuid

from agents.models import Instance
from clients import installation
from replicas import launching, reconcile, tags
from replicas.models import Replica, Step
from replicas.tests.world import later
from spotopt.tests import cast


def tagged(world, az="us-east-1b", **more):
    carried = [{"Key": key, "Value": value} for key, value in more.items()]
    return world.start(az, TagSpecifications=[{"ResourceType": "instance", "Tags": carried}])


def ours(world, **more):
    return {
        tags.INSTALLATION: str(installation.current().pk),
        tags.CLIENT: str(world.client.pk),
        **more,
    }


def lose_the_row(machine):
    """As if the launch had never been noted: a crash, or a backup from before it."""
    replica = Replica.objects.get(instance__instance_id=machine)
    Replica.objects.filter(pk=replica.pk).update(instance=None, status="launching")
    Step.objects.filter(replica=replica, name="launch").update(outcome="unknown")
    Instance.objects.filter(instance_id=machine)._raw_delete("default")  # nothing points at it
    return replica


def test_a_primary_that_died_without_a_word_is_replaced(world, primary):
    standby = world.standby(primary)
    world.kill(primary.instance_id)
    reconcile.run(clock=later())
    assert world.event.kind == "death"
    assert world.primaries(primary.agent_id) == [standby.instance_id]


def test_a_standby_that_died_is_struck_off(world, primary):
    standby = world.standby(primary)
    world.kill(standby.instance_id)
    reconcile.run(clock=later())
    world.settled()
    assert world.replica.status == "failed"
    assert standby.row.terminated_at is not None


def test_a_superseded_machine_that_is_gone_bills_no_more(world, primary):
    old = cast.make_instance(primary.agent, world.start("us-east-1c"), role="superseded")
    world.kill(old.instance_id)
    reconcile.run(clock=later())
    old.refresh_from_db()
    assert old.terminated_at is not None
    assert world.events == []


def test_a_launch_without_a_row_is_adopted(world, primary):
    world.api.post(primary.path("replicas"), {}, format="json")
    [machine] = world.launched
    replica = lose_the_row(machine)
    reconcile.run(clock=later())
    replica.refresh_from_db()
    assert replica.instance.instance_id == machine
    assert replica.steps.get(name="launch").outcome == "done"
    assert world.boot(machine).answer["role"] == "standby"
    assert world.launched == [machine]


def test_a_launch_that_is_no_longer_wanted_is_ended(world, primary):
    world.api.post(primary.path("replicas"), {}, format="json")
    [machine] = world.launched
    replica = lose_the_row(machine)
    Replica.objects.filter(pk=replica.pk).update(status="terminated")
    replica.saga.__class__.objects.update(status="abandoned")
    # Something else of this client's runs in the region, so that it is compared.
    reconcile.run(clock=later())
    world.settled()
    assert world.billing() == {primary.instance_id}


def test_a_second_launch_for_one_need_is_ended_and_reported(world, primary):
    standby = world.standby(primary)
    replica = world.replica
    extra = tagged(
        world,
        **ours(world, **{tags.REPLICA: str(replica.pk), tags.SAGA: str(replica.saga_id)}),
    )
    reconcile.run(clock=later())
    world.settled()
    assert world.billing() == {primary.instance_id, standby.instance_id}
    [line] = world.told(reconcile.NO_PURPOSE)
    assert extra in line


def test_one_that_its_saga_adopts_at_this_moment_is_not_taken_for_a_second(
    world, primary, monkeypatch
):
    world.api.post(primary.path("replicas"), {}, format="json")
    [machine] = world.launched
    replica = lose_the_row(machine)
    real = reconcile._without_row

    def rival_first(client, region, found, *, clock):
        step = replica.steps.get(name="launch")
        replica.refresh_from_db()
        launching.adopt(replica=replica, step=step, machine=found, now=clock())
        real(client, region, found, clock=clock)

    monkeypatch.setattr(reconcile, "_without_row", rival_first)
    reconcile.run(clock=later())
    world.sweep()
    assert Instance.objects.get(instance_id=machine).retire_asked_at is None
    assert machine in world.billing()
    assert world.told(reconcile.NO_PURPOSE) == []


def test_one_of_ours_that_nobody_knows_is_reported_once_a_day_and_left_running(world, primary):
    stray = tagged(world, **ours(world, **{tags.REPLICA: str(uuid.uuid4())}))
    nonsense = tagged(world, **ours(world, **{tags.REPLICA: "nonsense"}))
    for _ in range(3):
        reconcile.run(clock=later())
    assert len(world.told(reconcile.NO_PURPOSE)) == 2
    reconcile.run(clock=later(hours=25))
    assert len(world.told(reconcile.NO_PURPOSE)) == 4
    assert {stray, nonsense} <= world.billing()


def test_other_installations_and_untagged_machines_are_never_touched(world, primary):
    replica_tags = {tags.CLIENT: str(world.client.pk), tags.REPLICA: str(uuid.uuid4())}
    foreign = tagged(world, **{tags.INSTALLATION: str(uuid.uuid4()), **replica_tags})
    halfway = tagged(world, **replica_tags)
    untagged = world.start("us-east-1c")
    reconcile.run(clock=later())
    world.settled()
    assert {foreign, halfway, untagged} <= world.billing()
    assert world.told(reconcile.NO_PURPOSE) == []
    assert Instance.objects.count() == 1


def test_another_clients_replica_is_not_adopted(world, primary, other_slot):
    world.api.post(primary.path("replicas"), {}, format="json")
    [machine] = world.launched
    lose_the_row(machine)
    mine = ours(world, **{tags.REPLICA: str(world.replica.pk)})
    stray = tagged(world, **{**mine, tags.CLIENT: str(other_slot.agent.client_id)})
    reconcile.run(clock=later())
    assert not Instance.objects.filter(instance_id=stray).exists()


def test_unverified_machines_are_not_compared(world, primary):
    world.enrolled(world.claim("i-0nobodyknows"))
    reconcile.run(clock=later(hours=1))
    assert world.events == []


def test_an_account_out_of_reach_holds_up_no_other(world, primary, settings, other_slot):
    Instance.objects.filter(pk=other_slot.primary.pk).update(verified=True)
    other_slot.agent.client.__class__.objects.filter(pk=other_slot.agent.client_id).update(
        aws_role_arn="arn:aws:iam::999999999999:role/gone"
    )
    world.sim.fault(kind="deny", action="AssumeRole")
    world.kill(primary.instance_id)
    reconcile.run(clock=later())
    assert [event.instance.instance_id for event in world.events] == [primary.instance_id]
