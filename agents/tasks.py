"""Scheduled work on the markets that agents are in."""

from agents import markets
from pricing import tasks


def collect_prices() -> str:
    """Every five minutes: AWS's own spot price history of each market in use."""
    pools = sum(
        tasks.collect_prices(market.account, market.region, market.instance_types)
        for market in markets.in_use()
    )
    return f"{pools} pools"


def collect_on_demand_prices() -> str:
    """Once a day: on-demand prices of each market in use."""
    changes = sum(
        tasks.collect_on_demand_prices(market.account, market.region, market.instance_types)
        for market in markets.in_use()
    )
    return f"{changes} changes"
