"""Faults that are asked for: AWS refusing, slowing down, losing an answer, a zone going dark.

A fault holds for `for_seconds` of wall time, for `count` times, or until it is withdrawn.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal, cast, get_args
from uuid import uuid4

from . import zones
from .machines import Mode

Kind = Literal["capacity", "quota", "throttle", "deny", "lost_answer", "az_down"]
FaultMode = Literal["spot", "on-demand", "any"]


class BadFault(ValueError):
    """What was asked for is no fault; the message says why."""


@dataclass
class Fault:
    """`pool`, `az` (an id) and `action` narrow it down; None means all of them."""

    id: str
    kind: Kind
    mode: FaultMode
    pool: str | None = None
    az: str | None = None
    region: str | None = None
    account: str | None = None
    service: str | None = None
    action: str | None = None
    until: float | None = None
    left: int | None = None
    fired: int = 0

    def live(self, now: float) -> bool:
        return (self.until is None or now < self.until) and (self.left is None or self.left > 0)


def read(wanted: dict[str, Any]) -> Fault:
    """A fault as the control interface is told of it. Raises BadFault."""
    kind = wanted.get("kind")
    if kind not in get_args(Kind):
        raise BadFault(f"kind must be one of {', '.join(get_args(Kind))}")
    default: FaultMode = "spot" if kind == "capacity" else "any"
    mode = wanted.get("mode", default)
    if mode not in get_args(FaultMode):
        raise BadFault(f"mode must be one of {', '.join(get_args(FaultMode))}")
    for key in ("pool", "az", "action", "region", "account"):
        if wanted.get(key) is not None and not isinstance(wanted[key], str):
            raise BadFault(f"{key} must be a string")
    if kind == "az_down" and not wanted.get("az"):
        raise BadFault("az_down needs an az")
    seconds = _number(wanted, "for_seconds")
    count = _number(wanted, "count")
    service, action = _action(wanted.get("action"))
    if kind == "lost_answer" and seconds is None and count is None:
        count = 1
    return Fault(
        id=f"fault-{uuid4().hex[:12]}",
        kind=cast(Kind, kind),
        mode=mode,
        pool=_pool(wanted.get("pool")),
        az=_az(wanted.get("az")),
        region=wanted.get("region"),
        account=wanted.get("account"),
        service=service,
        action=action,
        until=None if seconds is None else time.time() + seconds,
        left=None if count is None else int(count),
    )


class Faults:
    """Those in force. Asking whether one strikes also counts it off."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def remove(self, fault_id: str) -> bool:
        with self._lock:
            kept = [f for f in self._faults if f.id != fault_id]
            gone = len(kept) < len(self._faults)
            self._faults = kept
            return gone

    def clear(self) -> None:
        with self._lock:
            self._faults = []

    def all(self) -> list[Fault]:
        now = time.time()
        with self._lock:
            self._faults = [f for f in self._faults if f.live(now)]
            return list(self._faults)

    def on_launch(
        self, *, instance_type: str, az_id: str, region: str, account: str, mode: Mode
    ) -> Fault | None:
        """The fault that refuses a launch there. A dark zone comes before a quota, and that
        before missing capacity."""
        pool = f"{instance_type}.{az_id}"
        for kind in ("az_down", "quota", "capacity"):
            for fault in self.all():
                if (
                    fault.kind == kind
                    and fault.mode in ("any", mode)
                    and fault.pool in (None, pool)
                    and fault.az in (None, az_id)
                    and fault.region in (None, region)
                    and fault.account in (None, account)
                    and self._strike(fault)
                ):
                    return fault
        return None

    def short_of(self, *, instance_type: str, az_id: str) -> bool:
        """Whether spot capacity is missing there now; counts nothing off."""
        pool = f"{instance_type}.{az_id}"
        return any(
            f.kind in ("capacity", "az_down")
            and f.mode != "on-demand"
            and f.pool in (None, pool)
            and f.az in (None, az_id)
            for f in self.all()
        )

    def on_call(self, *, service: str, action: str, region: str, account: str) -> Fault | None:
        """The fault that meets an API call: deny, throttle or lost_answer, in this order."""
        if not self._faults:
            return None
        for kind in ("deny", "throttle", "lost_answer"):
            for fault in self.all():
                if (
                    fault.kind == kind
                    and fault.service in (None, service)
                    and fault.action in (None, action)
                    and fault.region in (None, region)
                    and fault.account in (None, account)
                    and self._strike(fault)
                ):
                    return fault
        return None

    def _strike(self, fault: Fault) -> bool:
        """Counts it off; False if another call has just used it up."""
        with self._lock:
            if fault.left is not None:
                if fault.left <= 0:
                    return False
                fault.left -= 1
            fault.fired += 1
            return True


def _number(wanted: dict[str, Any], key: str) -> float | None:
    value = wanted.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise BadFault(f"{key} must be a number greater than zero")
    return float(value)


def _pool(text: str | None) -> str | None:
    if text is None:
        return None
    instance_type, _, zone = text.rpartition(".")
    found = zones.find(zone)
    if not instance_type or found is None:
        raise BadFault(f"pool must be <type>.<az-id>; {text!r} names no known zone")
    return f"{instance_type}.{found.id}"


def _az(text: str | None) -> str | None:
    if text is None:
        return None
    found = zones.find(text)
    if found is None:
        raise BadFault(f"there is no zone {text!r}")
    return found.id


def _action(text: str | None) -> tuple[str | None, str | None]:
    """`RunInstances`, `ec2:RunInstances`, `ec2:*` or `*`."""
    if text is None:
        return None, None
    service, _, action = text.rpartition(":")
    return service or None, None if action == "*" else action
