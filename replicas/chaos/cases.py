"""The matrix: every step, broken in every way, in every state of the standby, for every kind of move."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from replicas.chaos.points import BY_NAME, POINTS, Point

TRIGGERS = ("planned", "rebalance", "emergency", "manual")
STANDBY = ("none", "launching", "ready")
KILLS = ("killed-before", "killed-after")
CUTS = ("cut-before", "cut-after")
FAULTS = (*KILLS, "lost-answer", "throttled", "denied", "capacity", "quota", *CUTS, "az-down")
# Which matter only while a launch may follow.
OF_LAUNCHES = ("capacity", "quota")
SIGNALLED = ("rebalance", "emergency")


@dataclass(frozen=True)
class Case:
    """One move, and how it is broken. `seed` decides what the matrix leaves open."""

    trigger: str
    standby: str
    point: str
    fault: str
    seed: int = 0

    @property
    def name(self) -> str:
        """By which it is replayed, with the seed."""
        return f"{self.trigger}/{self.standby}/{self.point}/{self.fault}"

    @property
    def dice(self) -> random.Random:
        """The same for the same case and seed."""
        return random.Random(f"{self.name}/{self.seed}")  # noqa: S311 - a schedule, not a secret


def parse(text: str, *, seed: int) -> Case:
    """The case of this name. Raises ValueError saying what is wrong with it."""
    words = text.split("/")
    if len(words) != 4:
        raise ValueError("a case is TRIGGER/STANDBY/POINT/FAULT")
    for word, known in zip(words, (TRIGGERS, STANDBY, tuple(BY_NAME), FAULTS), strict=True):
        if word not in known:
            raise ValueError(f"{word!r} is none of {', '.join(known)}")
    trigger, standby, point, fault = words
    return Case(trigger, standby, point, fault, seed)


def matrix(*, seed: int) -> list[Case]:
    """Every combination that makes sense, in a fixed order."""
    return [
        Case(trigger, standby, point.name, fault, seed)
        for trigger in TRIGGERS
        for standby in STANDBY
        for point in POINTS
        if _reached(point, trigger, standby)
        for fault in _faults(point, standby)
    ]


def sample(count: int, *, seed: int) -> list[Case]:
    """So many of them, drawn by the seed: a random schedule."""
    every = matrix(seed=seed)
    return random.Random(seed).sample(every, min(count, len(every)))  # noqa: S311


def _reached(point: Point, trigger: str, standby: str) -> bool:
    if point.name == "signal" and trigger not in SIGNALLED:
        return False
    return STANDBY.index(standby) <= STANDBY.index(point.until)


def _faults(point: Point, standby: str) -> Iterator[str]:
    for fault in FAULTS:
        if fault not in OF_LAUNCHES or (point.launches and standby == "none"):
            yield fault
