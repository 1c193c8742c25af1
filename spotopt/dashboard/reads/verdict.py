"""Are we safe? A pure function of what the page knows; every "no" carries its reason."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["safe", "watch", "danger", "empty"]


@dataclass(frozen=True)
class Facts:
    """All that the verdict depends on."""

    agents: int
    silent: Sequence[str] = ()
    disabled: Sequence[str] = ()
    covered: int = 0
    exposed: int = 0
    on_demand: int = 0
    stopped_everywhere: bool = False
    stopped_here: bool = False
    dry_run: bool = False
    open: int = 0
    unanswered: int = 0


@dataclass(frozen=True)
class Verdict:
    """One sentence, how grave it is, and why."""

    level: Level
    sentence: str
    reasons: Sequence[str] = ()


def judge(facts: Facts) -> Verdict:
    """The gravest thing that is true makes the sentence; all others are listed below it."""
    if facts.agents == 0:
        return Verdict("empty", "No machines are under management yet.")
    found = [*_dangers(facts), *_cares(facts)]
    if not found:
        sentence = (
            "Yes: the agent is online and interruptions are handled automatically."
            if facts.agents == 1
            else f"Yes: all {facts.agents} agents are online and interruptions are handled automatically."
        )
        return Verdict("safe", sentence, tuple(_comforts(facts)))
    level: Level = "danger" if any(_dangers(facts)) else "watch"
    return Verdict(level, found[0], (*found[1:], *_comforts(facts)))


def _dangers(facts: Facts) -> Iterator[str]:
    if facts.stopped_everywhere:
        yield "No: automation is stopped for this whole installation; interruptions are recorded only."
    elif facts.stopped_here:
        yield "No: automation is stopped for this client; interruptions are recorded only."
    if facts.unanswered:
        yield (
            f"No: {_count(facts.unanswered, 'interruption')} in the last 24 hours "
            "left nothing serving in its machine's place."
        )
    if facts.silent:
        verb = "is" if len(facts.silent) == 1 else "are"
        yield (
            f"No: {len(facts.silent)} of {_count(facts.agents, 'agent')} {verb} silent"
            f" ({_names(facts.silent)})."
        )


def _cares(facts: Facts) -> Iterator[str]:
    if facts.open:
        yield f"Almost: {_count(facts.open, 'interruption')} being handled right now."
    if facts.disabled:
        yield (
            f"Not all: {_count(len(facts.disabled), 'agent')} disabled, so nothing is done for "
            f"{_names(facts.disabled)}."
        )


def _comforts(facts: Facts) -> Iterator[str]:
    if facts.covered:
        has = "has" if facts.covered == 1 else "have"
        yield f"{_count(facts.covered, 'agent')} {has} a ready standby and would move within seconds."
    if facts.exposed:
        runs = "runs" if facts.exposed == 1 else "run"
        yield (
            f"{_count(facts.exposed, 'agent')} {runs} on spot without one: on a two-minute notice a "
            "replacement is launched first."
        )
    if facts.on_demand:
        runs = "runs" if facts.on_demand == 1 else "run"
        yield f"{_count(facts.on_demand, 'agent')} {runs} on demand, which AWS does not interrupt."
    if facts.dry_run:
        yield "Dry run: cost decisions are recorded, not carried out. Emergencies are."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
