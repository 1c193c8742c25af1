"""The Pricing API's GetProducts."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from .harness import code_of

STANDARD = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "capacitystatus": "Used",
    "preInstalledSw": "NA",
}


@pytest.fixture
def pricing(idle):
    return idle.client("pricing")


def ask(pricing, **wanted):
    filters = [{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in wanted.items()]
    answer = pricing.get_products(ServiceCode="AmazonEC2", Filters=filters)
    return [json.loads(entry) for entry in answer["PriceList"]]


def usd(entry) -> float:
    (term,) = entry["terms"]["OnDemand"].values()
    (dimension,) = term["priceDimensions"].values()
    assert dimension["unit"] == "Hrs"
    return float(dimension["pricePerUnit"]["USD"])


@pytest.mark.parametrize(
    ("kind", "region", "price"),
    [("m5.large", "us-east-1", 0.096), ("m5.large", "eu-west-1", 0.107), ("p3.2xlarge", "us-east-1", 3.06)],
)  # fmt: skip
def test_one_type_in_one_region(pricing, kind, region, price):
    (entry,) = ask(pricing, instanceType=kind, regionCode=region, **STANDARD)
    assert usd(entry) == price
    assert entry["product"]["attributes"]["instanceType"] == kind
    assert entry["product"]["attributes"]["regionCode"] == region
    assert entry["serviceCode"] == "AmazonEC2"


def test_by_location(pricing):
    (entry,) = ask(pricing, instanceType="m5.large", location="EU (Ireland)", **STANDARD)
    assert entry["product"]["attributes"]["regionCode"] == "eu-west-1"


@pytest.mark.parametrize(
    "other",
    [
        {"operatingSystem": "Windows"},
        {"tenancy": "Dedicated"},
        {"capacitystatus": "AllocatedCapacityReservation"},
        {"preInstalledSw": "SQL Std"},
        {"location": "the moon"},
        {"regionCode": "mars-1"},
    ],
)
def test_what_is_not_sold_is_an_empty_list(pricing, other):
    assert (
        ask(pricing, instanceType="m5.large", **{"regionCode": "us-east-1", **STANDARD, **other})
        == []
    )


def test_every_type_asked_for_has_a_price(pricing):
    (entry,) = ask(pricing, instanceType="zz9.large", regionCode="us-east-1")
    assert usd(entry) > 0


def test_pages(pricing):
    wanted = [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": "us-east-1"}]
    kinds = [
        json.loads(entry)["product"]["attributes"]["instanceType"]
        for page in pricing.get_paginator("get_products").paginate(
            ServiceCode="AmazonEC2", Filters=wanted
        )
        for entry in page["PriceList"]
    ]
    assert len(kinds) == len(set(kinds)) > 500


def test_other_services_and_bad_tokens_are_refused(pricing):
    with pytest.raises(ClientError) as error:
        pricing.get_products(ServiceCode="AmazonS3")
    assert code_of(error) == "NotFoundException"
    with pytest.raises(ClientError) as error:
        pricing.get_products(ServiceCode="AmazonEC2", NextToken="x")
    assert code_of(error) == "InvalidNextTokenException"
    with pytest.raises(ClientError) as error:
        pricing.describe_services()
    assert code_of(error) == "AccessDeniedException"
