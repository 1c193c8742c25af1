"""DescribeSpotPriceHistory as EC2 answers it: change points between StartTime and EndTime and the last one
before, newest first within a pool, in pages, for at most 90 days back and never ahead of now."""

from __future__ import annotations

import base64
import fnmatch
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.spot_instances import SpotInstances

from .. import zones
from ..clock import iso
from ..price_points import Pool

if TYPE_CHECKING:
    from ..world import World

_PAGE = 1000
_OLDEST = 90 * 86_400
_PRODUCTS = ("Linux/UNIX", "Linux/UNIX (Amazon VPC)")
_FILTERS = {
    "availability-zone",
    "availability-zone-id",
    "instance-type",
    "product-description",
    "spot-price",
    "timestamp",
}
Filters = dict[str, list[str]]


def install(world: World) -> None:
    def describe_spot_price_history(self: Any) -> ActionResult:
        self.error_on_dryrun()
        filters: Filters = self._filters_from_querystring()
        unknown = next((name for name in filters if name not in _FILTERS), None)
        if unknown is not None:
            raise EC2ClientError("InvalidParameterValue", f"The filter '{unknown}' is invalid")
        product = _product(self._get_param("ProductDescriptions", []), filters)
        pools = _pools(world, self, filters) if product else []
        size = min(int(self._get_param("MaxResults") or 0) or _PAGE, _PAGE)
        token = self._get_param("NextToken")
        if token:
            place, skip, start, end = _read_token(token)
        else:
            place, skip = 0, 0
            start, end = _window(self._get_param("StartTime"), self._get_param("EndTime"))
        rows: list[dict[str, Any]] = []
        following = ""
        while place < len(pools):
            found = _rows(world, pools[place], start, end, filters, product)
            room = size - len(rows)
            rows += found[skip : skip + room]
            if len(found) > skip + room:
                following = _make_token(place, skip + room, start, end)
                break
            place, skip = place + 1, 0
            if len(rows) == size and place < len(pools):
                following = _make_token(place, 0, start, end)
                break
        return ActionResult({"SpotPriceHistory": rows, "NextToken": following})

    SpotInstances.describe_spot_price_history = describe_spot_price_history  # type: ignore[method-assign]


def _product(asked: list[str], filters: Filters) -> str:
    """The product to tell prices of, as the caller calls it; empty if it is none we have."""
    wanted = filters.get("product-description") or asked
    if not wanted:
        return _PRODUCTS[0]
    return next((p for p in _PRODUCTS if any(fnmatch.fnmatchcase(p, w) for w in wanted)), "")


def _pools(world: World, response: Any, filters: Filters) -> list[Pool]:
    region: str = response.region
    kinds = response._get_param("InstanceTypes", []) or None
    patterns = filters.get("instance-type")
    if patterns:
        plain = [p for p in patterns if "*" not in p and "?" not in p]
        if kinds is None and len(plain) == len(patterns):
            kinds = plain
    wanted = [response._get_param("AvailabilityZone"), response._get_param("AvailabilityZoneId")]
    for name in wanted:
        if name and zones.find(name) not in zones.of_region(region):
            raise EC2ClientError("InvalidParameterValue", f"Invalid availability zone: [{name}]")
    return [
        pool
        for pool in world.prices.pools(region, kinds)
        if all(name is None or name in (pool.az, pool.az_id) for name in wanted)
        and _passes(pool.az, filters.get("availability-zone"))
        and _passes(pool.az_id, filters.get("availability-zone-id"))
        and _passes(pool.instance_type, patterns)
    ]


def _rows(
    world: World, pool: Pool, start: float, end: float, filters: Filters, product: str
) -> list[dict[str, Any]]:
    rows = (
        {
            "AvailabilityZone": pool.az,
            "AvailabilityZoneId": pool.az_id,
            "InstanceType": pool.instance_type,
            "ProductDescription": product,
            "SpotPrice": f"{point.price:.6f}",
            "Timestamp": iso(point.at),
        }
        for point in reversed(world.prices.history(pool, start, end))
    )
    return [
        row
        for row in rows
        if _passes(row["SpotPrice"], filters.get("spot-price"))
        and _passes(row["Timestamp"], filters.get("timestamp"))
    ]


def _passes(value: str, patterns: list[str] | None) -> bool:
    return not patterns or any(fnmatch.fnmatchcase(value, pattern) for pattern in patterns)


def _window(start: Any, end: Any) -> tuple[float, float]:
    now = time.time()
    oldest = now - _OLDEST
    last = min(_moment(end, now), now)
    return min(max(_moment(start, oldest), oldest), now), last


def _moment(value: Any, default: float) -> float:
    if value is None:
        return default
    try:
        stamp = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise EC2ClientError("InvalidParameterValue", f"{value} is not a time") from None
    return (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()


def _make_token(place: int, skip: int, start: float, end: float) -> str:
    return base64.urlsafe_b64encode(json.dumps([place, skip, start, end]).encode()).decode()


def _read_token(token: str) -> tuple[int, int, float, float]:
    try:
        place, skip, start, end = json.loads(base64.urlsafe_b64decode(token))
        return int(place), int(skip), float(start), float(end)
    except (ValueError, TypeError):
        raise EC2ClientError("InvalidParameterValue", "The token is invalid") from None
