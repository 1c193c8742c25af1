"""On-demand prices, USD per hour, Linux, shared tenancy: from the dated list in `data/`, and
derived by family and size for what the list doesn't hold, so that every type has a price."""

from __future__ import annotations

import csv
import gzip
from functools import cache
from pathlib import Path

from . import catalog

_FILE = Path(__file__).parent / "data" / "ondemand_linux.csv.gz"
_HOME = "us-east-1"
_ELSEWHERE = 1.1  # a region that the list doesn't hold costs a tenth more than us-east-1
_PER_VCPU = 0.048  # of a family that nobody has heard of


@cache
def _listed() -> dict[str, dict[str, float]]:
    regions: dict[str, dict[str, float]] = {}
    with gzip.open(_FILE, "rt", newline="") as source:
        for row in csv.DictReader(source):
            prices = regions.setdefault(row["region"], {})
            prices[row["instance_type"]] = float(row["usd_per_hour"])
    return regions


@cache
def price(instance_type: str, region: str) -> float:
    """USD per hour; always more than zero."""
    here = _listed().get(region)
    if here and (found := here.get(instance_type) or _by_family(instance_type, here)):
        return found
    if region != _HOME:
        return round(price(instance_type, _HOME) * _ELSEWHERE, 4)
    return round(_PER_VCPU * catalog.vcpus(instance_type), 4)


def _by_family(instance_type: str, prices: dict[str, float]) -> float | None:
    wanted = catalog.factor(instance_type)
    name = catalog.family(instance_type)
    sisters = [t for t in prices if catalog.family(t) == name]
    if not sisters:
        return None
    if wanted is None:  # metal: as dear as the family's largest
        return max(prices[t] for t in sisters)
    for sister in sisters:
        size = catalog.factor(sister)
        if size:
            return round(prices[sister] * wanted / size, 5)
    return None
