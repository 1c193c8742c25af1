"""Every RunInstances that arrived, whether it launched something or was refused."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Launch:
    """`refused` is the error's code; `replays` counts repetitions that the client token caught.
    `at` is a wall time."""

    at: float
    account: str
    region: str
    instance_type: str
    az_id: str | None
    mode: str
    client_token: str | None
    instance_ids: list[str] = field(default_factory=list)
    refused: str | None = None
    replays: int = 0
