"""Endpoint 25: where a machine's slot could move to."""

from datetime import timedelta

import pytest

from agents.models import Agent, Command, Instance, Mode
from mlengine.tests import world
from mlengine.tests.world import HERE, B, C
from pricing import collector, ondemand
from pricing.models import Pool
from spotopt.cloud import prices as cloud_prices
from spotopt.cloud.errors import PermanentError, UnreachableError
from spotopt.tests import cast

SEED_KEYS = {
    "pool_id", "instance_type", "az", "current_spot_price", "savings_percent", "risk_score", "recommended",
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_aws(monkeypatch):
    """Whoever asks AWS here has not looked at what is known."""

    def refuse(*_, **__):
        raise AssertionError("AWS was asked")

    monkeypatch.setattr(cloud_prices, "spot_history", refuse)
    monkeypatch.setattr(cloud_prices, "on_demand_offers", refuse)
    ondemand._asked.clear()


def ask(api, slot, query=""):
    return api.get(f"/api/client/instances/{slot.primary.instance_id}/available-options{query}")


def options(api, slot):
    response = ask(api, slot)
    assert response.status_code == 200, response.json()
    return {row["pool_id"]: row for row in response.json()["options"]}


def test_the_other_pools_with_price_saving_and_risk(market, old_slot, acme_api):
    found = options(acme_api, old_slot)
    assert set(found) == {B, C}
    assert set(found[B]) >= SEED_KEYS
    assert (found[B]["instance_type"], found[B]["az"]) == ("t3.medium", "us-east-1b")
    assert found[B]["pool_name"] == "t3.medium (us-east-1b)"
    assert found[B]["current_spot_price"] == 0.0312
    assert found[B]["savings_percent"] == 62.5  # of .0832 on demand
    assert found[B]["risk_score"] == 0.0625
    assert [pool for pool, row in found.items() if row["recommended"]] == [B]
    assert found[B]["why_not"] is None
    assert "needs more than 30%" in found[C]["why_not"]


def test_what_is_recommended_is_what_the_cycle_takes(market, old_slot, acme_api, now):
    from mlengine import decisions

    decisions.run_cycle(now=now)
    recommended = [pool for pool, row in options(acme_api, old_slot).items() if row["recommended"]]
    assert recommended == [Command.objects.get().parameters["target_pool_id"]]


def test_it_is_about_pools_not_about_whether_the_slot_may_be_moved_now(market, old_slot, acme_api):
    Agent.objects.update(auto_switch_enabled=False, enabled=False)
    assert options(acme_api, old_slot)[B]["recommended"] is True


def test_nothing_is_recommended_where_nothing_passes(market, old_slot, acme_api):
    Pool.objects.filter(pk=B).update(spot_price="0.0400")
    assert not any(row["recommended"] for row in options(acme_api, old_slot).values())


def test_from_on_demand_its_own_pool_is_an_option(market, old_slot, acme_api):
    Instance.objects.update(mode=Mode.ON_DEMAND)
    assert set(options(acme_api, old_slot)) == {HERE, B, C}


def test_types_that_the_client_allows_are_held_against_its_present_type(
    market, old_slot, acme, acme_api, now
):
    acme.allowed_types = ["t3.large"]
    acme.save()
    world.price("t3.large.use1-az1", "0.0624", at=now)
    world.on_demand("0.1664", at=now, instance_type="t3.large")
    row = options(acme_api, old_slot)["t3.large.use1-az1"]
    assert (row["savings_percent"], row["on_demand_price"]) == (25.0, 0.1664)


def test_an_unknown_price_is_null_and_never_recommended(market, old_slot, acme_api, now):
    Pool.objects.filter(pk=B).update(spot_price=None, spot_price_at=None)
    Pool.objects.filter(pk=C).update(spot_price_at=now - timedelta(hours=40))
    found = options(acme_api, old_slot)
    for pool in (B, C):
        assert found[pool]["current_spot_price"] is None
        assert found[pool]["savings_percent"] is None
        assert found[pool]["recommended"] is False


def test_a_standby_has_no_options(market, old_slot, acme_api):
    cast.make_instance(old_slot.agent, "i-0standby", role="standby")
    answer = acme_api.get("/api/client/instances/i-0standby/available-options")
    assert (answer.status_code, answer.json()) == (200, {"options": []})


def test_prices_that_are_not_fresh_are_fetched(market, old_slot, acme_api, monkeypatch, now):
    Pool.objects.update(spot_price_at=now - timedelta(hours=1))
    asked = []

    def collect(account, region, *, instance_types, now):
        asked.append((account.role_arn, region, set(instance_types)))
        world.prices(at=now, here="0.0456", b="0.0440", c="0.0100")
        return {HERE, B, C}

    monkeypatch.setattr(collector, "collect", collect)
    found = options(acme_api, old_slot)
    assert asked == [(world.ROLE, "us-east-1", {"t3.medium"})]
    assert found[C]["current_spot_price"] == 0.01
    assert found[C]["recommended"] is True


def test_without_an_account_what_its_own_agents_reported_is_shown(
    old_slot, acme_api, client_acme, settings, now
):
    settings.SERVER_AWS_ACCOUNT = False
    world.clean(HERE, "0.0300", at=now - timedelta(minutes=5), client=client_acme)
    Instance.objects.update(mode=Mode.ON_DEMAND)
    assert options(acme_api, old_slot)[HERE]["current_spot_price"] == 0.03


def test_without_an_account_and_prices_it_says_what_to_connect(slot, acme_api, settings):
    settings.SERVER_AWS_ACCOUNT = False
    refused = ask(acme_api, slot)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_connected")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnreachableError("Timeout", "no answer"), 503),
        (PermanentError("UnauthorizedOperation", "not allowed"), 409),
    ],
)
def test_aws_out_of_reach_is_said_only_if_nothing_is_known(
    old_slot, acme, acme_api, monkeypatch, now, error, status
):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(cloud_prices, "spot_history", fail)
    monkeypatch.setattr(cloud_prices, "on_demand_offers", fail)
    refused = ask(acme_api, old_slot)
    assert refused.status_code == status
    assert refused.json()["status"] == "error"
    world.prices(at=now - timedelta(hours=2), here="0.0456", b="0.0312", c=None)
    assert options(acme_api, old_slot)[B]["current_spot_price"] == 0.0312


def test_who_may(market, old_slot, alice, bob, charlie, staff_api, other_api, api, as_user):
    for caller in (as_user(alice), as_user(bob), staff_api):
        assert ask(caller, old_slot).status_code == 200
    assert ask(as_user(charlie), old_slot).status_code == 404
    assert ask(other_api, old_slot).status_code == 404
    assert ask(old_slot.api, old_slot).status_code == 403
    assert ask(api, old_slot).status_code == 401


def test_staff_say_whose_where_two_clients_have_it(market, old_slot, client_other, staff_api):
    twin = cast.make_agent(client_other)
    cast.make_instance(twin, old_slot.primary.instance_id)
    assert ask(staff_api, old_slot).status_code == 400
    query = f"?client_id={old_slot.agent.client_id}"
    assert ask(staff_api, old_slot, query).status_code == 200


def test_few_statements_for_many_pools(
    market, old_slot, acme, acme_api, now, django_assert_max_num_queries
):
    acme.allowed_types = [f"c{number}.large" for number in range(5, 15)]
    acme.save()
    for kind in acme.allowed_types:
        world.price(f"{kind}.use1-az1", "0.02", at=now)
        world.on_demand("0.1", at=now, instance_type=kind)
    options(acme_api, old_slot)  # rows of new pools are made once
    with django_assert_max_num_queries(25):
        assert len(options(acme_api, old_slot)) == 32
