"""What a RunInstances call said beyond what moto hands on, and what its launch template adds."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from .machines import Mode
from .spot_requests import SpotRequest


@dataclass
class LaunchRequest:
    """`market` is InstanceMarketOptions as EC2 has it; `spot_request` is the persistent request
    that launches again."""

    client_token: str | None = None
    count: int | None = None
    market: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    spot_request: SpotRequest | None = None

    @property
    def mode(self) -> Mode:
        return "spot" if self.market.get("MarketType") == "spot" else "on-demand"

    @property
    def spot(self) -> dict[str, Any]:
        return self.market.get("SpotOptions") or {}

    @property
    def max_price(self) -> str | None:
        price = self.spot.get("MaxPrice")
        return None if price in (None, "") else str(price)


# The call being answered; empty where something else launches, such as a fleet.
current: ContextVar[LaunchRequest | None] = ContextVar("current_launch", default=None)
