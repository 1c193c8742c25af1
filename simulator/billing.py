"""What a machine has cost: simulated seconds it ran, times the price at the time, per second."""

from __future__ import annotations

from typing import NamedTuple

from . import ondemand
from .clock import Clock
from .machines import Machine
from .price_points import Pool
from .prices import SpotPrices


class Bill(NamedTuple):
    seconds: float
    usd: float
    usd_per_hour: float


def bill(machine: Machine, *, clock: Clock, prices: SpotPrices) -> Bill:
    """Seconds include jumps of the clock. A machine not running has a rate of zero."""
    pool = Pool(machine.instance_type, machine.az, machine.az_id, machine.region)
    rate = ondemand.price(machine.instance_type, machine.region)
    seconds = usd = 0.0
    open_span = False
    for begun, ended in machine.running:
        start = clock.simulated(begun)
        end = clock.now() if ended is None else clock.simulated(ended)
        open_span = ended is None
        seconds += end - start
        if machine.mode == "spot":
            usd += prices.cost(pool, start, end)
        else:
            usd += rate * (end - start) / 3600
    current = prices.now(pool) if machine.mode == "spot" else rate
    return Bill(seconds, usd, current if open_span else 0.0)
