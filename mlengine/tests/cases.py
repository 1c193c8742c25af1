"""Situations for the tests of pure functions: calm, and with one thing changed."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from mlengine.situation import Current, Limits, Place, Situation, State

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
HERE, B, C = "t3.medium.use1-az1", "t3.medium.use1-az2", "t3.medium.use1-az4"


def usd(price: str | None) -> Decimal | None:
    return None if price is None else Decimal(price)


def place(
    pool_id: str = B, price: str | None = "0.0312", risk: float = 0.15, **fields: Any
) -> Place:
    """A pool that passes: 31.6 % below the present price."""
    instance_type, az_id = pool_id.rsplit(".", 1)
    return Place(
        **{
            "pool_id": pool_id,
            "instance_type": instance_type,
            "az_id": az_id,
            "price": usd(price),
            "on_demand_price": Decimal("0.0832"),
            "risk": risk,
            **fields,
        }
    )


def current(price: str | None = "0.0456", risk: float = 0.10, **fields: Any) -> Current:
    return Current(
        **{
            "pool_id": HERE,
            "instance_type": "t3.medium",
            "az_id": "use1-az1",
            "price": usd(price),
            "on_demand_price": Decimal("0.0832"),
            "risk": risk,
            **fields,
        }
    )


def situation(*candidates: Place, **fields: Any) -> Situation:
    """A slot in HERE that may move to `candidates`."""
    return Situation(**{"now": NOON, "current": current(), "candidates": candidates, **fields})


def with_state(**changes: Any) -> Situation:
    """One good alternative, and this about the slot."""
    return situation(place(), state=replace(State(), **changes))


def own(**limits: Any) -> Limits:
    """Limits that the client has set."""
    return Limits(**limits, own=frozenset(limits))
