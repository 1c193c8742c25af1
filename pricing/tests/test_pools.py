import threading

import pytest
from django.db import connection
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend

from pricing import pools
from pricing.models import LINUX, Pool
from spotopt.lib.errors import BadInput


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("t3.medium", "use1-az4", LINUX), "t3.medium.use1-az4"),
        (("m5.large", "apne1-az2", "Windows"), "m5.large.apne1-az2.windows"),
        (("c5.large", "euw1-az1", "SUSE Linux"), "c5.large.euw1-az1.suse"),
        (("u-6tb1.112xlarge", "usw2-az1", LINUX), "u-6tb1.112xlarge.usw2-az1"),
        (("t3.medium", "use1-bos1-az1", LINUX), "t3.medium.use1-bos1-az1"),
    ],
)
def test_a_name_says_all_there_is_to_a_pool(parts, name):
    assert pools.pool_id(*parts) == name
    assert pools.parse(name) == parts


def test_inside_a_vpc_is_the_same_pool():
    assert pools.pool_id("t3.medium", "use1-az4", LINUX + " (Amazon VPC)") == "t3.medium.use1-az4"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "t3.medium",
        "t3.medium.us-east-1a",
        "t3.medium.use1-az4.",
        "t3.medium.use1-az4.beos",
        "t3.medium.use1-az4\n",
        " t3.medium.use1-az4",
        "T3.medium.use1-az4",
        "t3..use1-az4",
        "pool_456",
        "x" * 5000,
        "'; drop table pricing_pool; --",
        None,
        7,
    ],
)
def test_what_is_no_pool_is_refused_by_name_of_the_field(text):
    with pytest.raises(BadInput) as caught:
        pools.parse(text)
    assert list(caught.value.errors) == ["pool_id"]


def known_zones() -> list[tuple[str, str]]:
    return [
        (zone.zone_id, region)
        for region, found in RegionsAndZonesBackend.zones.items()
        for zone in found
        if not region.startswith("cn-")
    ]


@pytest.mark.parametrize(("az_id", "region"), known_zones())
def test_a_zone_id_tells_its_region(az_id, region):
    assert pools.region_of(az_id) == region


@pytest.mark.parametrize(
    ("az_id", "region"),
    [("use1-bos1-az1", "us-east-1"), ("usgw1-az2", "us-gov-west-1"), ("mxc1-az1", "mx-central-1")],
)
def test_special_zones_lie_in_regions_too(az_id, region):
    assert pools.region_of(az_id) == region


@pytest.mark.parametrize("az_id", ["", "us-east-1a", "xx", "use1", "zzq1-az1", "eug1-az1", "-az1"])
def test_what_is_no_zone_id_is_refused(az_id):
    with pytest.raises(BadInput) as caught:
        pools.region_of(az_id)
    assert list(caught.value.errors) == ["az_id"]


@pytest.mark.django_db
def test_a_pool_is_made_once():
    first = pools.ensure(instance_type="t3.medium", az_id="use1-az4", region="us-east-1")
    again = pools.ensure(instance_type="t3.medium", az_id="use1-az4", region="us-east-1")
    assert first == again
    assert first.pk == "t3.medium.use1-az4"
    assert Pool.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"instance_type": "medium"}, "instance_type"),
        ({"instance_type": "t3.medium'"}, "instance_type"),
        ({"az_id": "us-east-1a"}, "az_id"),
        ({"region": "us-west-2"}, "az_id"),
        ({"product": "OS/2"}, "product"),
    ],
)
def test_what_cannot_be_a_pool_makes_no_row(change, field):
    good = {"instance_type": "t3.medium", "az_id": "use1-az4", "region": "us-east-1"}
    with pytest.raises(BadInput) as caught:
        pools.ensure(**{**good, **change})
    assert list(caught.value.errors) == [field]
    assert not Pool.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_lost_race_yields_the_winners_row(monkeypatch):
    """The rival's row is committed between our look and our insert."""
    real = Pool.objects.bulk_create

    def rival(rows, **options):
        def insert() -> None:
            Pool(
                pool_id=rows[0].pool_id,
                instance_type="t3.medium",
                az_id="use1-az4",
                region="us-east-1",
            ).save(force_insert=True)
            connection.close()

        thread = threading.Thread(target=insert)
        thread.start()
        thread.join()
        return real(rows, **options)

    monkeypatch.setattr(Pool.objects, "bulk_create", rival)
    pool = pools.ensure(instance_type="t3.medium", az_id="use1-az4", region="us-east-1")
    assert pool.pk == "t3.medium.use1-az4"
    assert Pool.objects.count() == 1


@pytest.mark.django_db
def test_many_pools_take_two_statements(django_assert_num_queries):
    wanted = {
        (f"c5.{size}xlarge", f"use1-az{n}", LINUX) for size in range(2, 30) for n in range(1, 7)
    }
    with django_assert_num_queries(2):
        pools.ensure_many(wanted)
    with django_assert_num_queries(1):
        pools.ensure_many(wanted)
    assert Pool.objects.count() == len(wanted)


@pytest.mark.django_db
def test_siblings_are_the_same_type_in_other_zones():
    here = pools.ensure(instance_type="t3.medium", az_id="use1-az4", region="us-east-1")
    there = pools.ensure(instance_type="t3.medium", az_id="use1-az5", region="us-east-1")
    pools.ensure(instance_type="t3.large", az_id="use1-az5", region="us-east-1")
    pools.ensure(instance_type="t3.medium", az_id="use2-az1", region="us-east-2")
    assert list(Pool.objects.siblings(here)) == [there]
