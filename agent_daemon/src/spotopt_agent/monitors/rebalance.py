"""The rebalance recommendation: the item ``events/recommendations/rebalance``."""

from __future__ import annotations

from typing import Optional

from spotopt_agent import clock
from spotopt_agent.metadata import Metadata
from spotopt_agent.signals import REBALANCE, Signal

PATH = "/latest/meta-data/events/recommendations/rebalance"


def check(metadata: Metadata, instance_id: str) -> Optional[Signal]:
    """The recommendation if there is one. Raises MetadataError."""
    item = metadata.get_json(PATH)
    if item is None:
        return None
    return Signal(
        instance_id=instance_id,
        kind=REBALANCE,
        time=str(item.get("noticeTime", "")),
        detected_at=clock.text(clock.now()),
    )
