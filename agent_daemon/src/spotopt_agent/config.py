"""The configuration that the server keeps for this agent, as far as the agent acts on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SMALLEST_INTERVAL = 0.02  # seconds, so that no scale makes a busy loop


@dataclass(frozen=True)
class Config:
    """Durations are in seconds, unscaled. ``sync_kind`` is ``none`` or ``hook``."""

    heartbeat_seconds: float = 30.0
    price_report_seconds: float = 300.0
    metadata_poll_seconds: float = 2.0
    quiesce_seconds: float = 0.0
    sync_kind: str = "none"


def parse(value: Any) -> Config:
    """Reads the server's answer; what is missing or makes no sense keeps its default."""
    if not isinstance(value, dict):
        return Config()
    default = Config()

    def seconds(key: str, fallback: float, *, zero: bool = False) -> float:
        number = value.get(key)
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            return fallback
        return float(number) if 0 < number <= 86400 or (zero and number == 0) else fallback

    return Config(
        heartbeat_seconds=seconds("heartbeat_seconds", default.heartbeat_seconds),
        price_report_seconds=seconds("price_report_seconds", default.price_report_seconds),
        metadata_poll_seconds=seconds("metadata_poll_seconds", default.metadata_poll_seconds),
        quiesce_seconds=seconds("quiesce_seconds", default.quiesce_seconds, zero=True),
        sync_kind="hook" if value.get("sync_kind") == "hook" else "none",
    )


def scaled(seconds: float, scale: float) -> float:
    """An interval times the agent's scale, in seconds."""
    return max(SMALLEST_INTERVAL, seconds * scale)
