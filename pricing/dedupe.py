"""What one price a bucket gets when several were reported in it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from pricing.models import CleanPrice, RawPrice

SAME = Decimal("0.005")  # prices nearer than half a percent are one price
CENT = Decimal("0.000001")  # what the columns keep
TRUST = {source.value: rank for rank, source in enumerate(RawPrice.Source)}


@dataclass(frozen=True)
class Reported:
    """A price as it came in, USD an hour."""

    source: str
    price: Decimal
    at: datetime


@dataclass(frozen=True)
class Settled:
    """The bucket's price, who it is from, and how sure it is (1 is as reported)."""

    price: Decimal
    source: str
    flag: str
    confidence: float


def rounded(price: Decimal) -> Decimal:
    """To the six decimals that are stored."""
    return price.quantize(CENT, rounding=ROUND_HALF_EVEN)


def settle(reports: Iterable[Reported]) -> Settled:
    """One bucket's reports as one price.

    Each source counts with its last word. AWS's own stands alone; else the most trusted stands if the
    next differs from it by less than half a percent, and their mean is taken if it does not.
    Raises ValueError for no reports.
    """
    last: dict[str, Reported] = {}
    for report in reports:
        known = last.get(report.source)
        if known is None or (report.at, report.price) >= (known.at, known.price):
            last[report.source] = report
    if not last:
        raise ValueError("no reports")
    first, *rest = sorted(last.values(), key=lambda report: TRUST[report.source])
    alone = first.source == RawPrice.Source.AWS or not rest
    if alone or abs(rest[0].price - first.price) < SAME * first.price:
        return Settled(first.price, first.source, CleanPrice.Flag.NORMAL.value, 1.0)
    mean = rounded((first.price + rest[0].price) / 2)
    return Settled(mean, first.source, CleanPrice.Flag.AVERAGED.value, 0.9)
