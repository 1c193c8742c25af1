"""The two-minute notice: the item ``spot/instance-action``."""

from __future__ import annotations

from typing import Optional

from spotopt_agent import clock
from spotopt_agent.metadata import Metadata
from spotopt_agent.signals import NOTICE, Signal

PATH = "/latest/meta-data/spot/instance-action"


def check(metadata: Metadata, instance_id: str) -> Optional[Signal]:
    """The notice if there is one; its action is terminate, stop or hibernate.

    Raises MetadataError.
    """
    item = metadata.get_json(PATH)
    if item is None:
        return None
    return Signal(
        instance_id=instance_id,
        kind=NOTICE,
        time=str(item.get("time", "")),
        detected_at=clock.text(clock.now()),
        action=str(item.get("action", "")),
    )
