"""What machines cost now against on-demand; where a price is unknown, so is the sum it belongs to."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from agents.models import Instance, Mode
from pricing import queries as prices


@dataclass(frozen=True)
class Quotes:
    """Known prices, USD per hour, for some machines; unknown and stale ones are absent."""

    spot: Mapping[str, Decimal]
    on_demand_by_type: Mapping[tuple[str, str], Decimal]

    def on_demand(self, machine: Instance) -> Decimal | None:
        """What a machine of this type costs on demand, where it is."""
        return self.on_demand_by_type.get((machine.region, machine.instance_type))

    def now(self, machine: Instance) -> Decimal | None:
        """What this machine costs at present."""
        if machine.mode == Mode.ON_DEMAND:
            return self.on_demand(machine)
        return self.spot.get(machine.pool_id)


def read(machines: Iterable[Instance], *, client_id: UUID, now: datetime) -> Quotes:
    """Prices of these machines' pools and types: one question for spot, one per region for on-demand."""
    rows = list(machines)
    pools = sorted({row.pool_id for row in rows if row.mode == Mode.SPOT})
    current = prices.current_prices(pools, client_id=client_id, now=now) if pools else {}
    types: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        types[row.region].add(row.instance_type)
    return Quotes(
        spot={key: quote.price for key, quote in current.items() if not quote.stale},
        on_demand_by_type={
            (region, instance_type): price
            for region, names in sorted(types.items())
            for instance_type, price in prices.on_demand_prices(
                sorted(names), region, at=now
            ).items()
        },
    )


@dataclass(frozen=True)
class Saving:
    """What a slot costs now with all its machines, and what its primary would cost on demand."""

    cost: Decimal
    on_demand: Decimal

    @property
    def amount(self) -> Decimal:
        """USD per hour; negative where standbys cost more than spot saves."""
        return self.on_demand - self.cost

    @property
    def share(self) -> Decimal:
        """Of the on-demand price."""
        return self.amount / self.on_demand if self.on_demand else Decimal(0)


def saving_of(
    primary: Instance | None, billing: Iterable[Instance], quotes: Quotes
) -> Saving | None:
    """A slot's saving; None where nothing serves in it, or where one of its prices is unknown."""
    if primary is None or primary.terminated_at is not None:
        return None
    on_demand = quotes.on_demand(primary)
    costs = [quotes.now(machine) for machine in billing]
    if on_demand is None or None in costs:
        return None
    return Saving(
        cost=sum((cost for cost in costs if cost is not None), Decimal(0)), on_demand=on_demand
    )


def total(savings: Iterable[Saving | None]) -> Saving | None:
    """Of the slots that are known; None where none is."""
    known = [saving for saving in savings if saving is not None]
    if not known:
        return None
    return Saving(
        cost=sum((saving.cost for saving in known), Decimal(0)),
        on_demand=sum((saving.on_demand for saving in known), Decimal(0)),
    )
