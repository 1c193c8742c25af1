"""What the pools that slots are in, or may move to, cost and risk now: read once for all of them."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from agents.models import Instance, Mode
from mlengine import quotes, risks
from mlengine.quotes import Quote
from mlengine.risks import Risks
from mlengine.situation import Current, Place
from pricing.models import OnDemandPrice, Pool
from replicas import quarantine

Type = tuple[str, str, str]  # instance type, region, product


@dataclass(frozen=True)
class Market:
    """Prices, risks and quarantines at one moment."""

    pools: Mapping[str, Pool]
    quotes: Mapping[quotes.Key, Quote]
    on_demand: Mapping[Type, Decimal]
    quarantined: Mapping[tuple[str, str], datetime]
    risks: Risks

    def place(self, pool_id: str, *, client_id: uuid.UUID) -> Place:
        """A pool as this client may know it."""
        pool = self.pools[pool_id]
        quote = self.quotes.get((client_id, pool_id))
        risk = self.risks.of_pool(pool_id, client_id=client_id)
        return Place(
            pool_id=pool_id,
            instance_type=pool.instance_type,
            az_id=pool.az_id,
            price=quote.price if quote else None,
            on_demand_price=self._on_demand(pool),
            risk=risk.value,
            risk_terms=risk.terms,
            spot_quarantined_until=self.quarantined.get((pool_id, Mode.SPOT)),
            on_demand_quarantined_until=self.quarantined.get((pool_id, Mode.ON_DEMAND)),
        )

    def current(self, instance: Instance) -> Current:
        """Where this machine is, with the risk of its own age."""
        pool = self.pools[instance.pool_id]
        quote = self.quotes.get((instance.client_id, pool.pool_id))
        spot = quote.price if quote else None
        on_demand = self._on_demand(pool)
        risk = self.risks.of_instance(instance)
        return Current(
            pool_id=pool.pool_id,
            instance_type=pool.instance_type,
            az_id=pool.az_id,
            price=spot if instance.mode == Mode.SPOT else on_demand,
            on_demand_price=on_demand,
            risk=risk.value,
            risk_terms=risk.terms,
            on_demand_quarantined_until=self.quarantined.get((pool.pool_id, Mode.ON_DEMAND)),
            mode=instance.mode,
        )

    def _on_demand(self, pool: Pool) -> Decimal | None:
        return self.on_demand.get((pool.instance_type, pool.region, pool.product))


def read(
    wanted: Mapping[uuid.UUID, Collection[str]],
    *,
    instances: Sequence[Instance],
    now: datetime,
) -> Market:
    """`wanted`: the pools by client. Nine statements, whatever the numbers."""
    ids = sorted({pool_id for found in wanted.values() for pool_id in found})
    pools = Pool.objects.in_bulk(ids)
    keys = [(client_id, pool_id) for client_id, found in wanted.items() for pool_id in found]
    return Market(
        pools=pools,
        quotes=quotes.fresh(keys, pools=pools, now=now),
        on_demand=_on_demand(pools.values(), now),
        quarantined=quarantine.until_by_pool(pool_ids=ids, now=now),
        risks=risks.read(ids, instances=instances, now=now),
    )


def _on_demand(pools: Collection[Pool], now: datetime) -> dict[Type, Decimal]:
    """Of all regions at once; `pricing.queries.on_demand_prices` is for one."""
    key = ("instance_type", "region", "product")
    rows = (
        OnDemandPrice.objects.filter(
            instance_type__in={pool.instance_type for pool in pools},
            region__in={pool.region for pool in pools},
            effective_from__lte=now,
        )
        .order_by(*key, "-effective_from")
        .distinct(*key)
    )
    return {(row.instance_type, row.region, row.product): row.price for row in rows}
