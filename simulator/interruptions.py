"""Interruptions: a notice two minutes ahead, a rebalance recommendation, or sudden death."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args
from uuid import uuid4

from . import events, lifecycle, spot_requests
from .clock import precise
from .machines import Machine

if TYPE_CHECKING:
    from .world import World

Kind = Literal["notice", "rebalance", "death"]
NOTICE_SECONDS = 120.0


class BadInterruption(ValueError):
    """It can't be done to that machine, or isn't a kind of interruption; the message says why."""


@dataclass
class Interruption:
    """Times are wall seconds: planned, raised, and when the machine was killed."""

    id: str
    kind: Kind
    instance_id: str
    due_at: float
    status: str
    raised_at: float | None = None
    kill_at: float | None = None
    killed_at: float | None = None

    def told(self) -> dict[str, Any]:
        def time(moment: float | None) -> str | None:
            return None if moment is None else precise(moment)

        return {
            "id": self.id,
            "kind": self.kind,
            "instance_id": self.instance_id,
            "due_at": time(self.due_at),
            "raised_at": time(self.raised_at),
            "kill_at": time(self.kill_at),
            "killed_at": time(self.killed_at),
        }


class Interruptions:
    def __init__(self, world: World) -> None:
        self._world = world
        self._raised: list[Interruption] = []

    def all(self) -> list[Interruption]:
        return list(self._raised)

    def clear(self) -> None:
        self._raised = []

    def plan(
        self, machine: Machine, *, kind: str, in_seconds: float = 0.0, reason: str = "capacity"
    ) -> Interruption:
        """Raise it after so many seconds of wall time; at once, before this returns, for 0.
        Raises BadInterruption. One that comes due on a machine gone by then does nothing."""
        if kind not in get_args(Kind):
            raise BadInterruption(f"kind must be one of {', '.join(get_args(Kind))}")
        if reason not in ("capacity", "price"):
            raise BadInterruption("reason must be capacity or price")
        if machine.mode != "spot" and kind != "death":
            raise BadInterruption(f"{machine.instance_id} is on-demand: it can only meet its death")
        if not machine.alive:
            raise BadInterruption(f"{machine.instance_id} is {machine.state}")
        if kind == "notice" and machine.notice_at is not None:
            raise BadInterruption(f"{machine.instance_id} is already under notice")
        planned = Interruption(
            id=f"int-{uuid4().hex[:12]}",
            kind=kind,  # type: ignore[arg-type]  # checked above
            instance_id=machine.instance_id,
            due_at=self._world.clock.wall() + in_seconds,
            status=spot_requests.BY_PRICE if reason == "price" else spot_requests.NO_CAPACITY,
        )
        self._raised.append(planned)
        if in_seconds > 0:
            self._world.scheduler.at(planned.due_at, lambda: self._raise(planned, machine))
        else:
            self._raise(planned, machine)
        return planned

    def _raise(self, planned: Interruption, machine: Machine) -> None:
        with self._world.lock:
            if not machine.alive:
                return
            planned.raised_at = self._world.clock.wall()
            if planned.kind == "rebalance":
                machine.rebalance_at = planned.raised_at
                event = events.rebalance_recommendation(machine)
                events.publish(machine, event, self._world.lock)
            elif planned.kind == "notice":
                self._give_notice(planned, machine)
            else:
                self._kill(planned, machine)

    def _give_notice(self, planned: Interruption, machine: Machine) -> None:
        if machine.notice_at is not None or planned.raised_at is None:
            return
        length = NOTICE_SECONDS / self._world.options.speed
        # Notices tell whole seconds, and the kill comes at the time told, not before.
        machine.notice_at = planned.kill_at = float(math.ceil(planned.raised_at + length))
        request = self._world.spot_requests.get(machine.spot_request_id)
        if request:
            machine.notice_action = request.behavior
            request.becomes(spot_requests.MARKED)
        event = events.interruption_warning(machine, machine.notice_action)
        events.publish(machine, event, self._world.lock)
        self._world.scheduler.at(planned.kill_at, lambda: self._due(planned, machine))

    def _due(self, planned: Interruption, machine: Machine) -> None:
        with self._world.lock:
            if machine.alive and machine.notice_at == planned.kill_at:
                self._kill(planned, machine)

    def _kill(self, planned: Interruption, machine: Machine) -> None:
        planned.kill_at = planned.kill_at or planned.raised_at
        if planned.kind == "notice" and machine.notice_action in ("stop", "hibernate"):
            self._world.lifecycle.stop(machine)
            machine.notice_at = None
        elif machine.mode == "spot":
            self._world.lifecycle.end(machine, reason=lifecycle.RECLAIM, status=planned.status)
        else:
            self._world.lifecycle.end(machine, reason=lifecycle.HARDWARE)
        planned.killed_at = self._world.clock.wall()
