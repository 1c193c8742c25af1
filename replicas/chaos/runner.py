"""Plays one case: to the state it begins in, then broken, then the guard's rounds until all is quiet."""

import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from unittest import mock

from django.db import Error, connection

from agents.models import Instance
from replicas import guard, leases, sagas, sef
from replicas.chaos import verdict
from replicas.chaos.aws import Control
from replicas.chaos.cases import CUTS, Case
from replicas.chaos.clock import MovedClock, SkippingTime
from replicas.chaos.injection import Injection, Killed
from replicas.chaos.slot import Slot
from replicas.chaos.stories import STORIES, Story
from replicas.models import InterruptionEvent, Replica, Saga
from spotopt.cloud import errors
from spotopt.lib.errors import Refused

ROUNDS = 60
# At rest for so many of them, it is over.
QUIET = 2
# After so many rounds AWS is itself again.
CALM_AFTER = 9
# Seconds skipped by each round: first as the guard turns, then past leases and patience.
STEPS = (2, 2, 2, 5, 5, 35)


NO_CASE = Case("emergency", "ready", "signal", "killed-before")


@dataclass
class Outcome:
    """What came of a case."""

    case: Case
    fired: bool = False
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0


def played(case: Case, *, aws: Control) -> Outcome:
    """The same; what the harness itself did not expect is that case's failure, and no other's."""
    try:
        return play(case, aws=aws)
    except Exception as error:  # noqa: BLE001 - reported
        connection.close()
        return Outcome(case, failures=[f"could not be played: {_told(error)}"])


def play(case: Case, *, aws: Control) -> Outcome:
    """One case in an empty database and an empty AWS."""
    outcome = Outcome(case)
    began = time.monotonic()
    clock = MovedClock()
    aws.reset()
    empty_tables()
    with ExitStack() as stack:
        for module in (sagas, sef):
            stack.enter_context(mock.patch.object(module, "time", SkippingTime(clock)))
        quiesces = case.point == "quiesce" or case.dice.random() < 0.3
        slot = Slot(aws, clock, sync_kind="hook", quiesce_seconds=20 if quiesces else 0)
        slot.route_to_a_group()
        story = STORIES[case.trigger](slot, case)
        _bring_to(case.standby, slot, story)
        injection = Injection(case, aws, zone=slot.newest_zone)
        stack.enter_context(injection.around())
        _Rounds(slot, story, injection, outcome, clock).run()
        outcome.fired = injection.fired
    outcome.seconds = time.monotonic() - began
    return outcome


def _bring_to(standby: str, slot: Slot, story: Story) -> None:
    if standby == "none":
        return
    story.prepare()
    _wait(lambda: slot.aws.state()["totals"]["by_state"].get("pending", 0) == 0)
    while standby == "ready" and slot.ready_replica() is None:
        slot.play_machines()


class _Rounds:
    def __init__(
        self, slot: Slot, story: Story, injection: Injection, outcome: Outcome, clock: MovedClock
    ) -> None:
        self.slot, self.story, self.injection = slot, story, injection
        self.outcome, self.clock = outcome, clock
        self.swept: dict[str, float] = {}

    def run(self) -> None:
        self.injection.armed = True
        quiet = 0
        for number in range(ROUNDS):
            if number == CALM_AFTER:
                self.slot.aws.calm()
            if not self.story.over:
                self._as_a_process(self.story.act)
            self._as_a_process(self.slot.play_machines)
            self._as_a_process(self._sweep)
            self.outcome.failures += verdict.always(self.slot)
            quiet = quiet + 1 if self.story.over and at_rest(self.clock()) else 0
            if quiet == QUIET or self.outcome.failures:
                break
            self.clock.skip(STEPS[min(number, len(STEPS) - 1)])
        self.slot.aws.calm()
        if self.outcome.failures:
            return
        if not quiet:
            states = [str(saga.status) for saga in self.slot.sagas]
            self.outcome.failures.append(f"not at rest after {ROUNDS} rounds: {states}")
        self.outcome.failures += verdict.at_the_end(
            self.slot,
            needs=None if self.injection.case.fault == "az-down" else self.story.needs,
        )

    def _sweep(self) -> None:
        sweep(self.clock, self.swept, self._as_a_process)

    def _as_a_process(self, act: Callable[[], object]) -> None:
        """It may die, be refused or lose its database; anything else is a fault of ours."""
        struck = self.injection.fired
        try:
            act()
        except Killed:
            pass
        except (Refused, errors.CloudError):
            pass
        except Error as error:
            just_now = self.injection.fired and not struck
            if not (self.injection.dead or (self.injection.case.fault in CUTS and just_now)):
                self.outcome.failures.append(f"{type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001 - reported
            self.outcome.failures.append(_told(error))
        finally:
            if self.injection.dead or connection.connection is None or connection.connection.closed:
                self.injection.revive()


def sweep(
    clock: MovedClock, swept: dict[str, float], do: Callable[[Callable[[], object]], None]
) -> None:
    """What the guard does in a round, at this time; `do` lets each part survive the others.

    `swept` remembers when each part was done last, as seconds since the epoch.
    """
    for saga_id in leases.due(clock()):
        do(lambda key=saga_id: sagas.run(key, clock=clock))  # type: ignore[misc]
    for name, action, every in guard.SWEEPS:
        now = clock().timestamp()
        if now - swept.get(name, 0.0) >= every.total_seconds():
            swept[name] = now
            do(lambda act=action: act(clock))  # type: ignore[misc]


def at_rest(now: datetime) -> bool:
    """No saga is on its way, no machine waits for its end, and no signal for its answer."""
    moving = Saga.objects.filter(status__in=Saga.OPEN).exclude(status=Saga.Status.STANDING)
    leaving = Instance.objects.billing().exclude(retire_asked_at=None)
    ending = Replica.objects.filter(status=Replica.Status.TERMINATING)
    unanswered = InterruptionEvent.objects.filter(acted_at=None, received_at__gt=now - verdict.OLD)
    return not any(rows.exists() for rows in (moving, leaving, ending, unanswered))


def _told(error: Exception) -> str:
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if "/site-packages/" not in f.filename
    ]
    return f"{type(error).__name__}: {error} ({frames[-1].filename}:{frames[-1].lineno})"


def empty_tables() -> None:
    """No client is left, nor anything of one."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE clients_client, replicas_quarantine CASCADE")


def _wait(check: Callable[[], bool], seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while not check() and time.monotonic() < until:
        time.sleep(0.005)
