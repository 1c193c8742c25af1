"""The port against the simulated AWS in a process of its own: launches asked twice, faults, the end."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from simulator.tests.harness import IMAGE, eventually
from spotopt.cloud import compute, errors, prices, routing, session, zones
from spotopt.cloud.account import Account

REGION = "us-east-1"
OURS = Account()


def spec(**changes) -> compute.LaunchSpec:
    given = {
        "instance_type": "t3.medium",
        "mode": "spot",
        "az_name": "us-east-1a",
        "image_id": IMAGE,
        "tags": {"spotopt:saga": "s1"},
    }
    return compute.LaunchSpec(**{**given, **changes})


def launch(token: str = "t-1", **changes) -> compute.Machine:
    return compute.launch(OURS, REGION, spec=spec(**changes), client_token=token)


def running(instance_id: str) -> compute.Machine:
    def look():
        machine = compute.describe(OURS, REGION, [instance_id]).get(instance_id)
        return machine if machine is not None and machine.state == "running" else None

    found: compute.Machine = eventually(look)
    return found


def test_asked_twice_it_is_launched_once(sim):
    first, again = launch(), launch()
    assert first.instance_id == again.instance_id
    assert len(sim.state()["instances"]) == 1


def test_the_same_token_for_something_else_is_refused_for_good(sim):
    launch()
    with pytest.raises(errors.PermanentError) as caught:
        launch(az_name="us-east-1b")
    assert caught.value.code == "IdempotentParameterMismatch"


def test_a_lost_answer_is_found_by_asking_again(sim):
    sim.fault(kind="lost_answer", action="ec2:RunInstances", count=1)
    with pytest.raises(errors.UnreachableError):
        launch()
    machine = launch()
    assert sim.state()["totals"]["instances"] == 1
    assert compute.describe(OURS, REGION, [machine.instance_id])


def test_or_by_its_tags(sim):
    sim.fault(kind="lost_answer", action="ec2:RunInstances", count=1)
    with pytest.raises(errors.UnreachableError):
        launch()
    found = compute.find_tagged(OURS, REGION, tags={"spotopt:saga": "s1"})
    assert len(found) == 1
    assert found[0].instance_type == "t3.medium"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "capacity", "pool": "t3.medium.use1-az6"}, errors.CapacityError),
        ({"kind": "quota"}, errors.QuotaError),
        ({"kind": "throttle", "action": "ec2:RunInstances"}, errors.ThrottleError),
        ({"kind": "deny", "action": "ec2:RunInstances"}, errors.PermanentError),
    ],
)
def test_a_fault_comes_in_its_class_and_launches_nothing(sim, fault, kind):
    [here] = [z for z in zones.zones(OURS, REGION) if z.az_name == "us-east-1a"]
    if "pool" in fault:
        fault = {**fault, "pool": f"t3.medium.{here.az_id}"}
    sim.fault(**fault, count=1)
    with pytest.raises(kind):
        launch()
    assert sim.state()["instances"] == []


def test_a_machine_comes_up_and_is_known_by_everything_we_keep(sim):
    machine = running(launch().instance_id)
    assert machine.mode == "spot"
    assert machine.az_name == "us-east-1a"
    assert machine.spot_request_id.startswith("sir-")
    assert machine.image_id == IMAGE
    assert machine.private_ip.startswith("127.")


def test_a_reclaim_shows_in_the_spot_requests_status(sim):
    machine = running(launch().instance_id)
    sim.interrupt(machine.instance_id, "notice")

    def marked():
        found = compute.describe(OURS, REGION, [machine.instance_id], spot_status=True)
        seen = found[machine.instance_id]
        return seen if "terminat" in seen.spot_status else None

    assert eventually(marked).spot_status in (
        "marked-for-termination",
        "instance-terminated-no-capacity",
        "instance-terminated-by-price",
        "instance-terminated-by-service",
    )
    gone = eventually(
        lambda: compute.describe(OURS, REGION, [machine.instance_id])[machine.instance_id].gone
    )
    assert gone


def test_terminated_machines_are_gone(sim):
    machine = running(launch().instance_id)
    compute.terminate(OURS, REGION, [machine.instance_id, "i-0123456789abcdef0"])
    assert compute.describe(OURS, REGION, [machine.instance_id])[machine.instance_id].gone


def test_the_default_subnet_of_every_zone_can_be_launched_into(sim):
    subnets = zones.default_subnets(OURS, "us-west-2")
    names = {zone.az_id: zone.az_name for zone in zones.zones(OURS, "us-west-2")}
    assert set(subnets) == set(names)
    az_id, subnet = sorted(subnets.items())[0]
    wanted = spec(az_name=names[az_id], subnet_id=subnet)
    machine = compute.launch(OURS, "us-west-2", spec=wanted, client_token="t")
    assert machine.az_name == names[az_id]


def test_prices_are_a_step_function_with_the_price_in_force_first(sim):
    now = datetime.now(UTC)
    points = list(
        prices.spot_history(
            OURS, REGION, instance_types=["t3.medium"], since=now - timedelta(days=2), until=now
        )
    )
    by_zone: dict[str, list[datetime]] = {}
    for point in points:
        assert point.price > 0
        assert point.at <= now
        by_zone.setdefault(point.az_name, []).append(point.at)
    assert set(by_zone) == {zone.az_name for zone in zones.zones(OURS, REGION)}
    assert all(min(times) <= now - timedelta(days=2) for times in by_zone.values())


def test_now_is_asked_by_starting_now(sim):
    now = datetime.now(UTC)
    points = list(
        prices.spot_history(OURS, REGION, instance_types=["t3.medium"], since=now, until=now)
    )
    assert len(points) == len({point.az_name for point in points}) == 6


def test_on_demand_prices_come_from_the_pricing_api(sim):
    found = prices.on_demand_prices(instance_types=["t3.medium"], region=REGION)
    assert found == {"t3.medium": Decimal("0.0416")}


def test_a_target_is_registered_while_it_runs(sim):
    ec2, elb = session.client(OURS, "ec2", REGION), session.client(OURS, "elbv2", REGION)
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    made = elb.create_target_group(Name="web", Protocol="HTTP", Port=8080, VpcId=vpc)
    group = made["TargetGroups"][0]["TargetGroupArn"]
    machine = running(launch().instance_id)
    routing.register(OURS, REGION, target_group_arn=group, instance_id=machine.instance_id)
    health = routing.health(OURS, REGION, target_group_arn=group)
    assert set(health) == {machine.instance_id}
    routing.deregister(OURS, REGION, target_group_arn=group, instance_id=machine.instance_id)
    routing.deregister(OURS, REGION, target_group_arn=group, instance_id=machine.instance_id)


def test_another_account_has_its_own_machines(sim):
    machine = launch()
    other = Account(role_arn="arn:aws:iam::210987654321:role/spotopt", external_id="e-1")
    assert compute.describe(other, REGION, [machine.instance_id]) == {}
    assert session.account_number(other) == "210987654321"
