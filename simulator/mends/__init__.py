"""Mends of moto 5.2.5: what it gets wrong, or lacks, where the product depends on it.

Each module mends one thing and has a function `install(world)` that replaces methods of moto's classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import (
    client_tokens,
    filters,
    ids,
    images,
    launches,
    lookup,
    paging,
    placement_scores,
    power,
    price_history,
    requests,
    subnet_addresses,
    target_health,
    volumes,
)

if TYPE_CHECKING:
    from ..world import World


def install(world: World) -> None:
    """Once per process: moto's classes are global, and so are the mends."""
    for mend in (
        ids,
        images,
        lookup,
        paging,
        filters,
        subnet_addresses,
        launches,
        client_tokens,
        power,
        requests,
        price_history,
        placement_scores,
        volumes,
        target_health,
    ):
        mend.install(world)
