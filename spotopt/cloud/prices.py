"""What AWS says instances cost: spot price history, and on-demand prices."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from spotopt.cloud import errors, session
from spotopt.cloud.account import Account

if TYPE_CHECKING:
    from types_boto3_pricing.type_defs import FilterTypeDef

LINUX = ("Linux/UNIX", "Linux/UNIX (Amazon VPC)")


@dataclass(frozen=True)
class PricePoint:
    """A spot price in USD an hour, in force from `at` until the pool's next one."""

    instance_type: str
    az_name: str
    az_id: str | None
    product: str
    price: Decimal
    at: datetime


@dataclass(frozen=True)
class OnDemandOffer:
    """USD an hour; `since` is the date from which AWS lists it, where it says so."""

    price: Decimal
    since: datetime | None


def _amount(text: str) -> Decimal | None:
    try:
        price = Decimal(text)
    except InvalidOperation:
        return None
    return price if price.is_finite() and price > 0 else None


def spot_history(
    account: Account,
    region: str,
    *,
    instance_types: Collection[str],
    since: datetime,
    until: datetime,
    products: Collection[str] = LINUX,
) -> Iterator[PricePoint]:
    """DescribeSpotPriceHistory, page by page: the changes in the window, and for each pool the price that
    was in force at its start. AWS keeps 90 days. `since` = `until` = now asks what is in force now.
    """
    if not instance_types:
        return
    ec2 = session.client(account, "ec2", region)
    with errors.sorted_out():
        pages = ec2.get_paginator("describe_spot_price_history").paginate(
            InstanceTypes=sorted(instance_types),  # type: ignore[arg-type]
            ProductDescriptions=sorted(products),
            StartTime=since,
            EndTime=until,
            PaginationConfig={"PageSize": 1000},
        )
        for page in pages:
            for told in page["SpotPriceHistory"]:
                price = _amount(told.get("SpotPrice", ""))
                if price is None or "Timestamp" not in told:
                    continue
                yield PricePoint(
                    instance_type=told.get("InstanceType", ""),
                    az_name=told.get("AvailabilityZone", ""),
                    az_id=told.get("AvailabilityZoneId") or None,
                    product=told.get("ProductDescription", LINUX[0]),
                    price=price,
                    at=told["Timestamp"].astimezone(UTC),
                )


def _filters(instance_type: str, region: str) -> "list[FilterTypeDef]":
    wanted = {
        "instanceType": instance_type,
        "regionCode": region,
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "capacitystatus": "Used",
        "preInstalledSw": "NA",
    }
    return [{"Type": "TERM_MATCH", "Field": key, "Value": text} for key, text in wanted.items()]


def _date(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _offers(entry: Mapping[str, Any]) -> Iterator[OnDemandOffer]:
    for term in entry.get("terms", {}).get("OnDemand", {}).values():
        since = _date(term.get("effectiveDate"))
        for dimension in term.get("priceDimensions", {}).values():
            price = _amount(str(dimension.get("pricePerUnit", {}).get("USD", "")))
            if price is not None and dimension.get("unit", "Hrs") == "Hrs":
                yield OnDemandOffer(price=price, since=since)


def on_demand_offers(
    *, instance_types: Collection[str], region: str, account: Account | None = None
) -> dict[str, OnDemandOffer]:
    """Linux on-demand prices by type, from the Pricing API (which lives in us-east-1): one call a type.

    Types it does not list are absent.
    """
    pricing = session.client(account or Account(), "pricing", session.HOME_REGION)
    found: dict[str, OnDemandOffer] = {}
    for instance_type in sorted(set(instance_types)):
        with errors.sorted_out():
            answer = pricing.get_products(
                ServiceCode="AmazonEC2", Filters=_filters(instance_type, region), MaxResults=100
            )
        for text in answer.get("PriceList", []):
            try:
                entry = json.loads(text)
            except ValueError:
                continue
            for offer in _offers(entry):
                found.setdefault(instance_type, offer)
    return found


def on_demand_prices(
    *, instance_types: Collection[str], region: str, account: Account | None = None
) -> dict[str, Decimal]:
    """As `on_demand_offers`, prices alone."""
    offers = on_demand_offers(instance_types=instance_types, region=region, account=account)
    return {instance_type: offer.price for instance_type, offer in offers.items()}
