"""On-demand prices."""

from __future__ import annotations

import pytest

from simulator import catalog, ondemand


@pytest.mark.parametrize(
    ("instance_type", "region", "usd"),
    [
        ("m5.large", "us-east-1", 0.096),
        ("t3.medium", "us-east-1", 0.0416),
        ("c5.large", "us-east-1", 0.085),
        ("p3.2xlarge", "us-east-1", 3.06),
        ("m5.large", "eu-west-1", 0.107),
    ],
)
def test_listed_prices(instance_type, region, usd):
    assert ondemand.price(instance_type, region) == usd


def test_prices_of_a_family_follow_its_sizes():
    assert ondemand.price("m5.4xlarge", "us-east-1") == pytest.approx(
        8 * ondemand.price("m5.large", "us-east-1")
    )


def test_every_type_of_the_catalogue_has_a_price_in_every_region():
    for region in ("us-east-1", "us-east-2", "us-west-2", "eu-west-1"):
        for kind in catalog.names():
            assert ondemand.price(kind, region) > 0, (kind, region)


def test_a_size_that_is_not_listed_is_derived_from_its_family():
    assert ondemand.price("m5.1000xlarge", "us-east-1") == pytest.approx(192.0)


def test_a_family_that_nobody_knows_has_a_price_too():
    assert ondemand.price("zz9.2xlarge", "us-east-1") == pytest.approx(8 * 0.048)
    assert ondemand.price("nonsense", "us-east-1") > 0


def test_a_region_that_is_not_listed_is_dearer_than_home():
    assert ondemand.price("m5.large", "af-south-1") == pytest.approx(0.1056)
