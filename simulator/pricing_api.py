"""The Pricing API's GetProducts, for instances: on-demand prices as the real service lists them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from . import catalog, ondemand, zones
from .aws_errors import Refusal

_LOCATIONS = {
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-1": "US West (N. California)",
    "us-west-2": "US West (Oregon)",
    "ca-central-1": "Canada (Central)",
    "eu-west-1": "EU (Ireland)",
    "eu-west-2": "EU (London)",
    "eu-west-3": "EU (Paris)",
    "eu-central-1": "EU (Frankfurt)",
    "eu-north-1": "EU (Stockholm)",
    "sa-east-1": "South America (Sao Paulo)",
    "ap-south-1": "Asia Pacific (Mumbai)",
    "ap-southeast-1": "Asia Pacific (Singapore)",
    "ap-southeast-2": "Asia Pacific (Sydney)",
    "ap-northeast-1": "Asia Pacific (Tokyo)",
    "ap-northeast-2": "Asia Pacific (Seoul)",
}
_PUBLISHED = "2025-03-02T00:00:00Z"  # the newest list behind the prices
_PAGE = 100


def answer(action: str, body: bytes) -> dict[str, Any]:
    """Raises Refusal for what the service would refuse."""
    try:
        given = json.loads(body or b"{}")
    except ValueError:
        raise Refusal("SerializationException", "The body is no JSON") from None
    if action != "GetProducts":
        raise Refusal("AccessDeniedException", f"{action} is not simulated")
    if given.get("ServiceCode") != "AmazonEC2":
        raise Refusal("NotFoundException", "Only AmazonEC2 is simulated")
    wanted = {each["Field"].lower(): each["Value"] for each in given.get("Filters", [])}
    products = _products(wanted)
    start = _place(given.get("NextToken"))
    size = min(int(given.get("MaxResults") or _PAGE), _PAGE)
    page = products[start : start + size]
    told: dict[str, Any] = {
        "FormatVersion": "aws_v1",
        "PriceList": [json.dumps(_entry(kind, region)) for kind, region in page],
    }
    if start + size < len(products):
        told["NextToken"] = str(start + size)
    return told


def _place(token: str | None) -> int:
    if token is None:
        return 0
    if not token.isdigit():
        raise Refusal("InvalidNextTokenException", "The token is invalid")
    return int(token)


def _products(wanted: dict[str, str]) -> list[tuple[str, str]]:
    """Types and regions that pass the filters, which compare for equality."""
    regions = [wanted["regioncode"]] if "regioncode" in wanted else list(_LOCATIONS)
    kinds = [wanted["instancetype"]] if "instancetype" in wanted else list(catalog.names())
    return [
        (kind, region)
        for region in regions
        if zones.of_region(region)
        for kind in kinds
        if _passes(_attributes(kind, region), wanted)
    ]


def _passes(attributes: dict[str, str], wanted: dict[str, str]) -> bool:
    folded = {key.lower(): value for key, value in attributes.items()}
    folded["productfamily"] = "Compute Instance"
    return all(
        folded[field] == value
        for field, value in wanted.items()
        # A field that isn't told here, `licenseModel` say, can't rule anything out.
        if field in folded
    )


def _attributes(kind: str, region: str) -> dict[str, str]:
    memory = catalog.record(kind).get("MemoryInfo", {}).get("SizeInMiB")
    return {
        "servicecode": "AmazonEC2",
        "instanceType": kind,
        "instanceFamily": catalog.family(kind),
        "vcpu": str(catalog.vcpus(kind)),
        "memory": f"{memory / 1024:g} GiB" if memory else "NA",
        "location": _LOCATIONS.get(region, region),
        "locationType": "AWS Region",
        "regionCode": region,
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "capacitystatus": "Used",
        "preInstalledSw": "NA",
        "operation": "RunInstances",
        "marketoption": "OnDemand",
    }


def _entry(kind: str, region: str) -> dict[str, Any]:
    sku = hashlib.sha256(f"{kind}/{region}".encode()).hexdigest()[:16].upper()
    term, rate = f"{sku}.JRTCKXETXF", f"{sku}.JRTCKXETXF.6YS6EN2CT7"
    usd = ondemand.price(kind, region)
    return {
        "product": {
            "productFamily": "Compute Instance",
            "sku": sku,
            "attributes": _attributes(kind, region),
        },
        "serviceCode": "AmazonEC2",
        "terms": {
            "OnDemand": {
                term: {
                    "offerTermCode": "JRTCKXETXF",
                    "sku": sku,
                    "effectiveDate": _PUBLISHED,
                    "termAttributes": {},
                    "priceDimensions": {
                        rate: {
                            "rateCode": rate,
                            "unit": "Hrs",
                            "beginRange": "0",
                            "endRange": "Inf",
                            "appliesTo": [],
                            "description": f"${usd:g} per On Demand Linux {kind} Instance Hour",
                            "pricePerUnit": {"USD": f"{usd:.10f}"},
                        }
                    },
                }
            }
        },
        "version": "20250302000000",
        "publicationDate": _PUBLISHED,
    }
