"""What machines have cost."""

from __future__ import annotations

import pytest

from .harness import eventually


def advance(sim, seconds):
    assert sim.ask("POST", "advance", {"seconds": seconds})[0] == 200


def test_an_hour_of_on_demand_costs_its_price(idle):
    one = idle.launch(spot=False)
    idle.wait_state(one, "running")
    advance(idle, 3600)
    told = idle.instance(one)
    assert told["usd_per_hour"] == 0.096
    assert told["billing_seconds"] == pytest.approx(3600, abs=30)
    assert told["cost_usd"] == pytest.approx(0.096 * told["billing_seconds"] / 3600, abs=1e-4)


def test_a_day_of_spot_costs_about_a_third_and_follows_the_price(idle):
    one = idle.launch()
    idle.wait_state(one, "running")
    advance(idle, 86_400)
    told = idle.instance(one)
    assert 0.25 * 0.096 * 24 < told["cost_usd"] < 0.45 * 0.096 * 24
    (row, *_) = idle.client("ec2").describe_spot_price_history(
        InstanceTypes=["m5.large"], AvailabilityZone=told["az"]
    )["SpotPriceHistory"]
    assert told["usd_per_hour"] == float(row["SpotPrice"])


def test_the_bill_ends_with_the_machine(idle):
    ec2 = idle.client("ec2")
    one = idle.launch(ec2=ec2)
    idle.wait_state(one, "running")
    ec2.terminate_instances(InstanceIds=[one])
    before = idle.instance(one)
    advance(idle, 3600)
    after = idle.instance(one)
    assert after["cost_usd"] == before["cost_usd"]
    assert after["billing_seconds"] == before["billing_seconds"]
    assert after["usd_per_hour"] == 0


def test_a_pending_machine_is_not_billed(idle):
    one = idle.launch_fully()
    assert one["State"]["Name"] == "pending"
    eventually(lambda: idle.instance(one["InstanceId"])["state"] == "running")
    eventually(lambda: idle.instance(one["InstanceId"])["billing_seconds"] > 0)


def test_totals_list_all_that_bills(idle):
    ec2 = idle.client("ec2")
    made = [idle.launch(ec2=ec2) for _ in range(3)]
    for one in made:
        idle.wait_state(one, "running")
    ec2.terminate_instances(InstanceIds=made[:1])
    advance(idle, 3600)
    totals = idle.state()["totals"]
    assert sorted(totals["billing_instances"]) == sorted(made[1:])
    rates = [idle.instance(one)["usd_per_hour"] for one in made]
    assert totals["usd_per_hour"] == pytest.approx(sum(rates), abs=1e-6)
    assert totals["billing_seconds"] == pytest.approx(7200, abs=60)
    assert totals["cost_usd"] > 0
