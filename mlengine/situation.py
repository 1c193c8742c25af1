"""All that a decision about one slot may depend on: a snapshot, with no database behind it.

Prices are USD per hour, and None where they are unknown or stale; risks and savings are shares, 0..1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

SPOT = "spot"
ON_DEMAND = "on-demand"

Terms = Mapping[str, float | None]


@dataclass(frozen=True)
class Limits:
    """What the slot's settings allow. `own`: those the client has set, which bind every policy."""

    min_savings_threshold: float = 0.30
    max_risk_score: float = 0.30
    cooldown: timedelta = timedelta(minutes=120)
    max_switches_per_day: int = 3
    own: frozenset[str] = frozenset()


@dataclass(frozen=True)
class State:
    """Whether the slot may be moved by itself at all. `room`: machines that its client's cap leaves."""

    enabled: bool = True
    automation: bool = True
    client_active: bool = True
    connected: bool = True
    online: bool = True
    auto_switch: bool = True
    interrupted: bool = False
    moving: bool = False
    switch_ordered: bool = False
    blackout: str = ""
    last_switch_at: datetime | None = None
    last_failure_at: datetime | None = None
    switches_24h: int = 0
    switches_7d: int = 0
    room: int = 1


@dataclass(frozen=True)
class Place:
    """A pool as it looks now."""

    pool_id: str
    instance_type: str
    az_id: str
    price: Decimal | None
    on_demand_price: Decimal | None
    risk: float
    risk_terms: Terms = field(default_factory=dict)
    spot_quarantined_until: datetime | None = None
    on_demand_quarantined_until: datetime | None = None


@dataclass(frozen=True)
class Current(Place):
    """Where the workload runs; `price` is what it costs there, bought as `mode`."""

    mode: str = SPOT


@dataclass(frozen=True)
class Situation:
    """One slot at one moment. `current` is None while no machine serves it."""

    now: datetime
    current: Current | None
    candidates: Sequence[Place] = ()
    state: State = field(default_factory=State)
    limits: Limits = field(default_factory=Limits)
    target_savings_percent: int = 50
    # How long the old and the new machine both run in a move.
    overlap_before: timedelta = timedelta(seconds=120)
    overlap_after: timedelta = timedelta(seconds=300)

    @property
    def saving_now(self) -> float | None:
        """The share of the on-demand price that the slot saves at present; None if a price is unknown."""
        if self.current is None or self.current.price is None or not self.current.on_demand_price:
            return None
        return float(1 - self.current.price / self.current.on_demand_price)

    @property
    def under_target(self) -> bool | None:
        """Whether the slot saves less than its client wants; None if that is unknown."""
        saving = self.saving_now
        return None if saving is None else saving * 100 < self.target_savings_percent

    @property
    def present(self) -> dict[str, float | None]:
        """What every decision's arithmetic starts from."""
        price = self.current.price if self.current else None
        return {
            "present_price": None if price is None else float(price),
            "present_risk": self.current.risk if self.current else None,
            "saving_now": self.saving_now,
        }


@dataclass(frozen=True)
class Verdict:
    """What a policy says: the action (`stay`, `switch`, `on_demand`), where to, and why.

    `terms` is the arithmetic behind it, `passed_over` the reason against each pool not taken.
    """

    action: str
    reason: str
    pool_id: str = ""
    mode: str = ""
    terms: Mapping[str, Any] = field(default_factory=dict)
    passed_over: Mapping[str, str] = field(default_factory=dict)
