"""The machines: what the simulator knows of each instance beside moto's own record."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import RLock
from typing import Any, Literal

Mode = Literal["spot", "on-demand"]


@dataclass
class Machine:
    """One instance. Times are wall seconds; `running` holds the spans that are billed,
    the open one with an end of None. `record` is moto's instance."""

    instance_id: str
    account: str
    region: str
    az: str
    az_id: str
    instance_type: str
    mode: Mode
    private_ip: str
    launched_at: float
    record: Any
    client_token: str | None = None
    spot_request_id: str | None = None
    user_data: str | None = None
    max_price: float | None = None
    running: list[tuple[float, float | None]] = field(default_factory=list)
    terminated_at: float | None = None
    notice_at: float | None = None
    notice_action: str = "terminate"
    rebalance_at: float | None = None
    generation: int = 0

    @property
    def state(self) -> str:
        return str(self.record.state)

    @property
    def alive(self) -> bool:
        """Whether it may run something: not stopped, not going, not gone."""
        return self.state in ("pending", "running")

    @property
    def pool(self) -> str:
        return f"{self.instance_type}.{self.az_id}"

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.record.ec2_backend.tags.get(self.instance_id, {}))

    def begin_billing(self, at: float) -> None:
        if not self.running or self.running[-1][1] is not None:
            self.running.append((at, None))

    def end_billing(self, at: float) -> None:
        if self.running and self.running[-1][1] is None:
            self.running[-1] = (self.running[-1][0], at)


class Registry:
    """Every machine since the start or the last reset, by id and by address."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._by_id: dict[str, Machine] = {}
        self._by_ip: dict[str, Machine] = {}

    def add(self, machine: Machine) -> None:
        with self._lock:
            self._by_id[machine.instance_id] = machine
            self._by_ip[machine.private_ip] = machine

    def get(self, instance_id: str) -> Machine | None:
        return self._by_id.get(instance_id)

    def at(self, private_ip: str) -> Machine | None:
        return self._by_ip.get(private_ip)

    def all(self) -> list[Machine]:
        with self._lock:
            return list(self._by_id.values())

    def clear(self) -> None:
        with self._lock:
            self._by_id.clear()
            self._by_ip.clear()
