"""Health of load-balancer targets, found out by really connecting to them.

A target is `initial` until its first check passes, `unhealthy` after the group's threshold of failures,
`draining` for the deregistration delay after it was taken out. Intervals and delays are divided by the speed.
With no agents nothing can answer, and a running instance passes for healthy.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.elbv2.models import elbv2_backends

if TYPE_CHECKING:
    from .world import World

_TICK = 0.1
_LONGEST_CHECK = 2.0
Key = tuple[str, str]  # target group's ARN, target's id


@dataclass
class Check:
    """What is known of one target of one group; times are of time.monotonic()."""

    due: float
    state: str = "initial"
    passed: int = 0
    failed: int = 0
    busy: bool = False


class TargetChecks:
    def __init__(self, world: World) -> None:
        self._world = world
        self._checks: dict[Key, Check] = {}
        self._draining: dict[Key, tuple[float, Any]] = {}
        self._closed = threading.Event()
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="target-check")
        self._thread = threading.Thread(target=self._run, name="target-checks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def clear(self) -> None:
        self._checks.clear()
        self._draining.clear()

    def state(self, group: Any, target_id: str) -> str:
        """initial, healthy or unhealthy, of a registered target."""
        if not self._world.options.agents:
            machine = self._world.machines.get(target_id)
            return "healthy" if machine is None or machine.alive else "unhealthy"
        return self._check(group, target_id).state

    def drain(self, group: Any, target: dict[str, Any]) -> None:
        """A target was taken out."""
        key = (group.arn, target["Id"])
        self._checks.pop(key, None)
        delay = float(group.attributes.get("deregistration_delay.timeout_seconds", 300))
        ends = time.monotonic() + delay / self._world.options.speed
        self._draining[key] = (ends, dict(target))

    def draining(self, group: Any) -> dict[str, dict[str, Any]]:
        """Targets of the group still being drained, by id."""
        now = time.monotonic()
        return {
            key[1]: target
            for key, (ends, target) in list(self._draining.items())
            if key[0] == group.arn and ends > now
        }

    def registered(self, group: Any, target_id: str) -> None:
        key = (group.arn, target_id)
        self._draining.pop(key, None)
        self._checks.pop(key, None)
        self._check(group, target_id)

    def address(self, target_id: str) -> str | None:
        """Where a target is reached: an instance's private address, or the address it is."""
        if target_id.startswith("i-"):
            machine = self._world.machines.get(target_id)
            return machine.private_ip if machine and machine.alive else None
        return target_id

    def _check(self, group: Any, target_id: str) -> Check:
        key = (group.arn, target_id)
        if key not in self._checks:
            self._checks[key] = Check(due=time.monotonic() + self._interval(group))
        return self._checks[key]

    def _interval(self, group: Any) -> float:
        return max(_TICK, float(group.health_check_interval_seconds) / self._world.options.speed)

    def _groups(self) -> list[Any]:
        return [
            group
            for account in list(elbv2_backends.values())
            for backend in list(account.values())
            for group in list(backend.target_groups.values())
        ]

    def _run(self) -> None:
        while not self._closed.wait(_TICK):
            if not self._world.options.agents:
                continue
            now = time.monotonic()
            for group in self._groups():
                for target in list(group.targets.values()):
                    check = self._check(group, target["Id"])
                    if check.due <= now and not check.busy:
                        check.busy = True
                        check.due = now + self._interval(group)
                        self._pool.submit(self._examine, group, dict(target), check)

    def _examine(self, group: Any, target: dict[str, Any], check: Check) -> None:
        try:
            if self._answers(group, target):
                check.passed, check.failed = check.passed + 1, 0
                if check.state == "initial" or check.passed >= int(group.healthy_threshold_count):
                    check.state = "healthy"
            else:
                check.passed, check.failed = 0, check.failed + 1
                if check.failed >= int(group.unhealthy_threshold_count):
                    check.state = "unhealthy"
        finally:
            check.busy = False

    def _answers(self, group: Any, target: dict[str, Any]) -> bool:
        address = self.address(target["Id"])
        port = group.health_check_port
        if port in (None, "traffic-port"):
            port = target.get("Port") or group.port
        if address is None or port is None:
            return False
        patience = min(_LONGEST_CHECK, float(group.health_check_timeout_seconds))
        try:
            if str(group.health_check_protocol).upper() not in ("HTTP", "HTTPS"):
                socket.create_connection((address, int(port)), timeout=patience).close()
                return True
            connection = http.client.HTTPConnection(address, int(port), timeout=patience)
            try:
                connection.request("GET", group.health_check_path or "/")
                return _matches(connection.getresponse().status, group)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError):
            return False


def _matches(status: int, group: Any) -> bool:
    """The group's matcher: `200`, `200,204` or `200-299`."""
    for part in str((getattr(group, "matcher", None) or {}).get("HttpCode", "200")).split(","):
        low, _, high = part.strip().partition("-")
        if low.isdigit() and int(low) <= status <= int(high or low):
            return True
    return False
