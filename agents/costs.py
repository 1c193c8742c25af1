"""What machines cost now, USD per hour: the pool's spot price, or the type's on-demand price."""

import uuid
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from agents.instances import Prices
from agents.models import Instance, Mode
from pricing import queries as prices


def hourly(
    instances: Iterable[Instance], *, client_id: uuid.UUID, now: datetime
) -> dict[uuid.UUID, Decimal | None]:
    """By the row's id; None where unknown or stale. `client_id`: whose agents' reports may count."""
    rows = list(instances)
    spot = prices.current_prices(
        sorted({row.pool_id for row in rows if row.mode == Mode.SPOT}), client_id=client_id, now=now
    )
    types: dict[str, set[str]] = {}
    for row in rows:
        if row.mode == Mode.ON_DEMAND:
            types.setdefault(row.region, set()).add(row.instance_type)
    on_demand = {
        region: prices.on_demand_prices(names, region, at=now) for region, names in types.items()
    }
    found: dict[uuid.UUID, Decimal | None] = {}
    for row in rows:
        if row.mode == Mode.SPOT:
            quote = spot.get(row.pool_id)
            found[row.pk] = quote.price if quote is not None and not quote.stale else None
        else:
            found[row.pk] = on_demand[row.region].get(row.instance_type)
    return found


def at_switch(*, old: Instance | None, new: Instance, now: datetime) -> Prices:
    """What a switch row keeps: the price of either machine and the on-demand price of the new one's type."""
    known = hourly([row for row in (old, new) if row], client_id=new.client_id, now=now)
    return Prices(
        old=known[old.pk] if old else None,
        new=known[new.pk],
        on_demand=prices.on_demand_price(new.instance_type, new.region, at=now),
    )
