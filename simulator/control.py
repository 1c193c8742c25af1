"""The control interface under `/_sim/`: what is simulated, seen and steered from outside.

Every answer is JSON. A mistake is answered with 400 or 404 and `{"error": "..."}`, and changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import faults, state
from .interruptions import BadInterruption

if TYPE_CHECKING:
    from .world import World

Answer = tuple[int, Any]
_LONGEST_STEP = 10 * 365 * 86_400


class Refused(Exception):
    """Answered with `status` and the message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Control:
    def __init__(self, world: World) -> None:
        self._world = world
        self._routes: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
            ("GET", ""): lambda _: state.world_state(world),
            ("GET", "faults"): self._list_faults,
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._clear_faults,
            ("POST", "interrupt"): self._interrupt,
            ("GET", "interruptions"): lambda _: {
                "interruptions": [one.told() for one in world.interruptions.all()]
            },
            ("GET", "launches"): lambda _: {
                "launches": [state.launch_state(one) for one in list(world.launches)]
            },
            ("POST", "advance"): self._advance,
            ("POST", "reset"): self._reset,
        }

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """`path` is what follows `/_sim/`."""
        path = path.strip("/")
        try:
            first, _, rest = path.partition("/")
            if rest:
                return 200, self._of_one(method, first, rest)
            return 200, self._route(method, path)(_read(body))
        except Refused as refusal:
            return refusal.status, {"error": str(refusal)}
        except (faults.BadFault, BadInterruption) as error:
            return 400, {"error": str(error)}

    def _route(self, method: str, path: str) -> Callable[[dict[str, Any]], Any]:
        handler = self._routes.get((method, path))
        if handler is None:
            known = any(name == path for _, name in self._routes)
            raise Refused(405 if known else 404, f"there is no {method} /_sim/{path}")
        return handler

    def _of_one(self, method: str, kind: str, name: str) -> Any:
        if (method, kind) == ("GET", "instances"):
            machine = self._world.machines.get(name)
            if machine is None:
                raise Refused(404, f"there is no instance {name}")
            return state.machine_state(self._world, machine, self._world.processes.counts())
        if (method, kind) == ("DELETE", "faults"):
            if not self._world.faults.remove(name):
                raise Refused(404, f"there is no fault {name}")
            return {"removed": name}
        raise Refused(404, f"there is no {method} /_sim/{kind}/{name}")

    def _list_faults(self, _: dict[str, Any]) -> Any:
        return {"faults": [state.fault_state(fault) for fault in self._world.faults.all()]}

    def _add_fault(self, given: dict[str, Any]) -> Any:
        fault = faults.read(given)
        self._world.faults.add(fault)
        told = state.fault_state(fault)
        if fault.kind == "az_down":
            told["killed"] = self._world.darken(fault)
        return told

    def _clear_faults(self, _: dict[str, Any]) -> Any:
        self._world.faults.clear()
        return {"faults": []}

    def _interrupt(self, given: dict[str, Any]) -> Any:
        machine = self._world.machines.get(_text(given, "instance_id"))
        if machine is None:
            raise Refused(404, f"there is no instance {given['instance_id']}")
        seconds = _number(given, "in_seconds", 0.0)
        if seconds < 0:
            raise Refused(400, "in_seconds must not be negative")
        with self._world.lock:
            planned = self._world.interruptions.plan(
                machine,
                kind=_text(given, "kind"),
                in_seconds=seconds,
                reason=str(given.get("reason", "capacity")),
            )
        return planned.told()

    def _advance(self, given: dict[str, Any]) -> Any:
        seconds = _number(given, "seconds", None)
        if not 0 < seconds <= _LONGEST_STEP:
            raise Refused(400, "seconds must be greater than zero, and at most ten years")
        self._world.clock.advance(seconds)
        return {"advanced_seconds": self._world.clock.advanced}

    def _reset(self, _: dict[str, Any]) -> Any:
        self._world.reset()
        return {"reset": True}


def _read(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        given = json.loads(body)
    except ValueError:
        raise Refused(400, "the body is no JSON") from None
    if not isinstance(given, dict):
        raise Refused(400, "the body must be a JSON object")
    return given


def _text(given: dict[str, Any], key: str) -> str:
    value = given.get(key)
    if not isinstance(value, str) or not value:
        raise Refused(400, f"{key} is missing")
    return value


def _number(given: dict[str, Any], key: str, default: float | None) -> float:
    value = given.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise Refused(400, f"{key} must be a number")
    return float(value)
