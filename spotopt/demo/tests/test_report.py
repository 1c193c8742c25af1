"""The report: what must not be is found, and what may be is not complained of."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agents.models import Instance
from pricing.models import OnDemandPrice
from replicas.models import InterruptionEvent, Replica, Saga, Step
from spotopt.demo import report
from spotopt.demo.customer import Customer, Workload
from spotopt.demo.play import Raised
from spotopt.demo.prober import Probe, Record
from spotopt.tests import cast

NOW = timezone.now()


@pytest.fixture
def scene(slot):
    """One slot, serving."""
    workload = Workload("shop", "t3.medium", "arn", slot.primary.instance_id, str(slot.agent.pk))
    customer = Customer(slot.agent.client, "token", [], [workload])
    record = Record("arn")
    for number in range(3):
        at = NOW + timedelta(seconds=number)
        record.add(Probe(at, slot.primary.instance_id, (slot.primary.instance_id,)))
    return customer, {str(slot.agent.pk): record}


def machine(instance_id, state="running", **tags):
    return {"id": instance_id, "state": state, "tags": tags, "cost_usd": 0.25}


def found(scene, *machines):
    customer, records = scene
    return report.violations(
        customer=customer, state={"instances": list(machines)}, records=records
    )


def test_all_is_well(scene, slot):
    assert found(scene, machine(slot.primary.instance_id)) == []


def test_a_machine_without_a_row(scene, slot):
    assert found(scene, machine(slot.primary.instance_id), machine("i-stray")) == [
        "i-stray bills and no row knows it"
    ]


def test_a_machine_that_is_gone_is_no_violation(scene, slot):
    assert found(scene, machine(slot.primary.instance_id), machine("i-old", "terminated")) == []


def test_a_superseded_machine_that_still_bills(scene, slot):
    cast.make_instance(slot.agent, "i-old", role=Instance.Role.SUPERSEDED)
    (violation,) = found(scene, machine(slot.primary.instance_id), machine("i-old"))
    assert "neither a primary nor a wanted standby" in violation


def standby(slot, status=Saga.Status.STANDING):
    saga = Saga.objects.create(
        client=slot.agent.client,
        agent=slot.agent,
        trigger="manual",
        goal="standby",
        status=status,
        created_at=NOW,
    )
    instance = cast.make_instance(slot.agent, "i-standby", role=Instance.Role.STANDBY)
    return Replica.objects.create(
        client=slot.agent.client,
        agent=slot.agent,
        saga=saga,
        replica_type="manual",
        status="ready",
        pool=instance.pool,
        instance=instance,
        created_at=NOW,
    )


def test_a_wanted_standby_may_bill(scene, slot):
    standby(slot)
    assert found(scene, machine(slot.primary.instance_id), machine("i-standby")) == []


def test_a_standby_of_an_ended_saga_may_not(scene, slot):
    standby(slot, Saga.Status.FAILED)
    assert len(found(scene, machine(slot.primary.instance_id), machine("i-standby"))) == 1


def test_two_machines_of_one_replica(scene, slot):
    replica = standby(slot)
    tag = {"spotopt:replica": str(replica.pk)}
    gone = machine("i-twin", "terminated", **tag)
    here = machine("i-standby", **tag)
    assert found(scene, machine(slot.primary.instance_id), here, gone) == [
        f"replica {replica.pk} was launched 2 times"
    ]


def test_a_machine_of_a_replica_that_no_row_knows(scene, slot):
    stray = machine("i-x", "terminated", **{"spotopt:replica": "gone"})
    assert found(scene, machine(slot.primary.instance_id), stray) == [
        "a machine of replica gone, which no row knows"
    ]


def test_a_launch_adopted_twice(scene, slot):
    replica = standby(slot)
    for attempt in (1, 2):
        Step.objects.create(
            saga=replica.saga,
            replica=replica,
            name="launch",
            attempt=attempt,
            outcome="done",
            started_at=NOW,
        )
    (violation,) = found(scene, machine(slot.primary.instance_id), machine("i-standby"))
    assert "adopted 2 launches" in violation


def test_nobody_serves_at_the_end(scene, slot):
    _, records = scene
    records[str(slot.agent.pk)].add(Probe(NOW + timedelta(seconds=9), None, ()))
    assert found(scene, machine(slot.primary.instance_id)) == [
        "shop: no running primary at the end"
    ]


def test_a_slot_without_a_primary_row(scene, slot):
    Instance.objects.filter(pk=slot.primary.pk).update(role="superseded", terminated_at=NOW)
    assert f"agent {slot.agent} has no primary row" in found(scene)


def test_the_whole_report(scene, slot):
    customer, records = scene
    OnDemandPrice.objects.create(
        instance_type="t3.medium",
        region="us-east-1",
        price="0.0416",
        effective_from=NOW - timedelta(days=9),
    )
    raised = Raised("notice", str(slot.agent.pk), slot.primary.instance_id, NOW)
    InterruptionEvent.objects.create(
        client=slot.agent.client,
        agent=slot.agent,
        instance=slot.primary,
        pool=slot.primary.pool,
        kind="notice",
        key="k",
        detected_at=NOW + timedelta(seconds=1),
        received_at=NOW + timedelta(seconds=2),
        acted_at=NOW + timedelta(seconds=3),
        action_taken="promoted_replica",
    )
    records[str(slot.agent.pk)].add(Probe(NOW + timedelta(seconds=4), "i-new", ("i-new",)))
    made = report.build(
        customer=customer,
        state={"instances": [machine(slot.primary.instance_id), machine("i-x", "terminated")]},
        raised=[raised],
        records=records,
        now=NOW,
    )
    (one,) = made["interruptions"]
    times = [one[k] for k in ("raised_at", "detected_at", "received_at", "acted_at", "promoted_at")]
    assert times == sorted(times)
    assert one["outcome"] == "promoted_replica"
    assert made["instances"] == {"launched": 2, "terminated": 1, "billing": 1}
    assert made["cost_usd"] == 0.5
    assert made["on_demand_cost_usd"] == pytest.approx(0.0416 * 4 / 3600, abs=1e-6)
    assert made["agents"][0]["seconds_up"] == 4.0


def test_a_signal_that_nobody_heard(scene, slot):
    customer, records = scene
    raised = Raised("notice", str(slot.agent.pk), slot.primary.instance_id, NOW)
    made = report.build(
        customer=customer, state={"instances": []}, raised=[raised], records=records, now=NOW
    )
    assert made["interruptions"][0]["outcome"] == "not heard"
    assert made["on_demand_cost_usd"] is None
