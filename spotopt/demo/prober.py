"""Uptime as an outsider sees it: each workload is asked at its target group's registered address."""

import contextlib
import http.client
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from spotopt.demo import wire

EVERY = 0.5  # seconds
# Two machines may both call themselves primary for the moment that fencing takes; not for longer.
TWO_PRIMARIES_AFTER = 2  # probes in a row


@dataclass(frozen=True)
class Probe:
    """What one agent's target group answered at one moment."""

    at: datetime
    serving: str | None
    primaries: tuple[str, ...]


@dataclass
class Record:
    """All probes of one agent, and what follows from them."""

    target_group: str
    probes: list[Probe] = field(default_factory=list)
    instances: list[str] = field(default_factory=list)
    two_primaries: list[str] = field(default_factory=list)
    twice: int = 0

    def add(self, probe: Probe) -> None:
        """Keep it, and notice two primaries."""
        self.probes.append(probe)
        if probe.serving and (not self.instances or self.instances[-1] != probe.serving):
            self.instances.append(probe.serving)
        self.twice = self.twice + 1 if len(probe.primaries) > 1 else 0
        if self.twice == TWO_PRIMARIES_AFTER:
            self.two_primaries.append(f"{' and '.join(probe.primaries)} at {probe.at:%H:%M:%S}")

    @property
    def serving(self) -> str | None:
        """Who answered last."""
        return self.probes[-1].serving if self.probes else None

    def first_other(self, old: str, since: datetime) -> datetime | None:
        """When a machine other than `old` first answered, at or after `since`."""
        for probe in self.probes:
            if probe.at >= since and probe.serving and probe.serving != old:
                return probe.at
        return None

    def up_and_down(self) -> tuple[float, float]:
        """Seconds of each since the workload first answered; a probe speaks for the time until the next."""
        up = down = 0.0
        started = False
        for probe, after in zip(self.probes, self.probes[1:], strict=False):
            started = started or probe.serving is not None
            if started:
                span = (after.at - probe.at).total_seconds()
                if probe.serving is not None:
                    up += span
                else:
                    down += span
        return up, down


class Prober:
    """Probes every half second, on a thread of its own."""

    def __init__(self, aws_url: str, records: dict[str, Record]) -> None:
        self.aws_url = aws_url
        self.records = records
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prober", daemon=True)
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="probe")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what was seen stays."""
        self._stop.set()
        self._thread.join(timeout=5)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            with contextlib.suppress(OSError, wire.WireError):  # busy: the next probe tells
                self._probe(wire.call("GET", f"{self.aws_url}/_sim/", seconds=5))
            due = max(due + EVERY, time.monotonic())
            self._stop.wait(due - time.monotonic())

    def _probe(self, state: dict[str, Any]) -> None:
        address = {
            machine["id"]: machine["private_ip"]
            for machine in state["instances"]
            if machine["state"] == "running"
        }
        answers = dict(zip(address, self._pool.map(ask, address.values()), strict=True))
        now = datetime.now(UTC)
        for name, record in self.records.items():
            registered = {
                target["id"]
                for target in state["targets"]
                if target["target_group"] == record.target_group
            }
            mine = {
                machine["id"]
                for machine in state["instances"]
                if machine["tags"].get("spotopt:agent") == name
            } | registered
            primaries = sorted(i for i in mine & set(address) if answers[i] == "primary")
            serving = next((i for i in primaries if i in registered), None)
            if len(primaries) > 1:  # the balancer would send to either: the newer one counts
                last = record.serving
                serving = next((i for i in primaries if i in registered and i != last), serving)
            record.add(Probe(now, serving, tuple(primaries)))


def ask(address: str, port: int = 8080) -> str | None:
    """What the workload there takes itself for; None if nothing answers."""
    connection = http.client.HTTPConnection(address, port, timeout=0.4)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        role: str | None = json.loads(answer.read()).get("role")
    except (OSError, ValueError, http.client.HTTPException):
        return None
    else:
        return role
    finally:
        connection.close()
