"""Makes the situation of each slot out of what was read for all of them."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mlengine import fleet, markets, reach
from mlengine.fleet import Slot
from mlengine.markets import Market
from mlengine.reach import Reach
from mlengine.situation import Place, Situation
from replicas import estimates


@dataclass(frozen=True)
class Scene:
    """The market, and where each slot may go in it."""

    now: datetime
    reach: Reach
    market: Market
    # Many slots of a client look at the same pools.
    places: dict[tuple[uuid.UUID, str], Place] = field(default_factory=dict)

    def of(self, slot: Slot) -> Situation:
        """The market and limits as this slot sees them; nothing is known here of its state."""
        agent, primary = slot.agent, slot.primary
        return Situation(
            now=self.now,
            current=self.market.current(primary) if primary else None,
            candidates=tuple(
                self._place(pool_id, slot.client.pk)
                for pool_id in self.reach.pools.get(agent.pk, ())
            ),
            limits=fleet.limits_of(agent),
            target_savings_percent=agent.target_savings_percent,
            overlap_before=estimates.UNKNOWN,
            overlap_after=timedelta(seconds=agent.terminate_wait_seconds),
        )

    def _place(self, pool_id: str, client_id: uuid.UUID) -> Place:
        key = client_id, pool_id
        if key not in self.places:
            self.places[key] = self.market.place(pool_id, client_id=client_id)
        return self.places[key]


def read(slots: Sequence[Slot], *, numbers: Mapping[uuid.UUID, str], now: datetime) -> Scene:
    """Some twelve statements, whatever the number of slots."""
    primaries = [slot.primary for slot in slots if slot.primary is not None]
    found = reach.find(
        primaries, clients={slot.client.pk: slot.client for slot in slots}, numbers=numbers
    )
    wanted: dict[uuid.UUID, set[str]] = {}
    for primary in primaries:
        wanted.setdefault(primary.client_id, set()).update(found.pools[primary.agent_id])
    return Scene(now, found, markets.read(wanted, instances=primaries, now=now))
