"""What the demo is asked for."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """`minutes` is wall time; `speed` divides the simulator's delays and the agents' intervals."""

    headless: bool
    minutes: float
    seed: int
    speed: float
    prices: Path | None
    report: Path | None
    port: int
