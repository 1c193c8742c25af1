"""Where a slot may run."""

import pytest

from mlengine import reach
from mlengine.tests import world
from mlengine.tests.cases import NOON
from mlengine.tests.world import HERE, B, C
from pricing.models import Pool, Zone
from replicas import situation
from spotopt.cloud import session
from spotopt.cloud.errors import UnreachableError
from spotopt.tests import cast


def find(slot):
    client = slot.agent.client
    numbers = reach.account_numbers([client])
    return reach.find([slot.primary], clients={client.pk: client}, numbers=numbers)


@pytest.fixture
def connected(slot):
    world.connect(slot.agent.client, now=NOON)
    return slot


def pools_of(slot):
    return find(slot).pools[slot.agent.pk]


def test_its_own_type_in_all_zones_of_its_account_its_own_pool_first(connected):
    assert pools_of(connected) == (HERE, B, C)
    assert set(Pool.objects.values_list("pk", flat=True)) == {HERE, B, C}


def test_the_types_its_client_allows(connected):
    connected.agent.client.allowed_types = ["t3.large", "t3.medium"]
    assert pools_of(connected) == (
        HERE, B, C, "t3.large.use1-az1", "t3.large.use1-az2", "t3.large.use1-az4",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("subnets", "expected"),
    [
        ({"use1-az4": "subnet-1"}, (HERE, C)),
        ({}, (HERE, B, C)),
        ({"use2-az1": "subnet-1"}, (HERE,)),
    ],
)
def test_where_the_client_names_subnets_it_goes_to_those_zones(connected, subnets, expected):
    connected.agent.client.aws_subnets = subnets
    assert pools_of(connected) == expected


@pytest.mark.parametrize("subnets", [{}, {"use1-az2": "subnet-1"}])
def test_the_emergency_path_sees_the_same_pools(connected, subnets):
    client = connected.agent.client
    client.aws_subnets, client.allowed_types = subnets, ["t3.large"]
    mine = set(pools_of(connected))
    theirs = situation.candidate_pools(agent=connected.agent, pool=connected.primary.pool)
    assert mine == {pool.pk for pool in theirs}


def test_another_accounts_and_regions_zones_are_not_its_own(connected):
    Zone.objects.create(
        account="999999999999", region="us-east-1", az_name="x", az_id="use1-az6", seen_at=NOON
    )
    Zone.objects.create(
        account=world.ACCOUNT, region="us-east-2", az_name="y", az_id="use2-az1", seen_at=NOON
    )
    Zone.objects.create(
        account=world.ACCOUNT, region="us-east-1", az_name="z", az_id="nonsense", seen_at=NOON
    )
    assert pools_of(connected) == (HERE, B, C)


def test_names_are_the_accounts_own(connected):
    found = find(connected)
    names = found.zone_names(connected.agent.client_id, "us-east-1")
    assert names["use1-az2"] == "us-east-1b"
    assert found.zone_names(connected.agent.client_id, "eu-west-1") == {}


def test_without_an_account_it_is_where_it_is(slot, settings):
    settings.SERVER_AWS_ACCOUNT = False
    assert reach.account_numbers([slot.agent.client]) == {}
    assert pools_of(slot) == (HERE,)


def test_an_account_that_aws_does_not_tell_of_is_asked_about_once(
    slot, client_other, settings, monkeypatch
):
    settings.SERVER_AWS_ACCOUNT = True
    asked = []

    def silent(account):
        asked.append(account)
        raise UnreachableError("Timeout", "no answer")

    monkeypatch.setattr(session, "account_number", silent)
    numbers = reach.account_numbers([slot.agent.client, client_other])
    assert set(numbers.values()) == {""}
    assert len(asked) == 1
    client = slot.agent.client
    found = reach.find([slot.primary], clients={client.pk: client}, numbers=numbers)
    assert found.pools[slot.agent.pk] == (HERE,)


def test_few_statements_for_many(connected, client_other, django_assert_max_num_queries):
    slots = [cast.make_slot(client_other, f"i-{number}") for number in range(20)]
    clients = {row.pk: row for row in (connected.agent.client, client_other)}
    with django_assert_max_num_queries(3):
        found = reach.find(
            [slot.primary for slot in (connected, *slots)],
            clients=clients,
            numbers=dict.fromkeys(clients, world.ACCOUNT),
        )
    assert len(found.pools) == 21
