"""How long failovers take in the server, and how much of it is the simulated AWS's own answering."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from replicas.chaos import runner
from replicas.chaos.aws import Control
from replicas.chaos.clock import MovedClock
from replicas.chaos.slot import ACCOUNT, REGION, Slot
from replicas.chaos.stories import Emergency
from replicas.models import InterruptionEvent
from spotopt.cloud import session

# What the description of the system that this one replaces claims, in seconds.
CLAIMED_WITH_STANDBY = 12.5
CLAIMED_WITHOUT = 70.0


@dataclass
class Watch:
    """What one failover asked of AWS and of the database."""

    calls: list[tuple[str, float]] = field(default_factory=list)
    asked_at: dict[str, datetime] = field(default_factory=dict)
    queries: int = 0
    database_seconds: float = 0.0
    _began: float = 0.0

    def before(self, model: Any, **_: Any) -> None:
        """A call to AWS leaves."""
        self._began = time.perf_counter()
        self.asked_at.setdefault(model.name, timezone.now())

    def after(self, model: Any, **_: Any) -> None:
        """It has been answered."""
        self.calls.append((model.name, time.perf_counter() - self._began))

    def query(self, execute: Callable[..., Any], *args: Any) -> Any:
        """A statement."""
        began = time.perf_counter()
        try:
            return execute(*args)
        finally:
            self.queries += 1
            self.database_seconds += time.perf_counter() - began


@dataclass(frozen=True)
class Run:
    """Seconds of one failover. `until`: with a standby, promoted; without, RunInstances asked."""

    until: float
    aws_until: float
    answered: float
    queries: int
    database: float


def with_standby(aws: Control) -> Run:
    """A notice with a ready standby and a target group."""
    slot = _slot(aws)
    story = Emergency(slot, runner.NO_CASE)
    story.prepare()
    while slot.ready_replica() is None:
        slot.play_machines()
    watch, answered = _notice(slot)
    event = InterruptionEvent.objects.get(client=slot.client)
    if event.done_at is None:
        raise RuntimeError(f"not promoted: {event.action_taken}, {event.explanation}")
    route = sum(seconds for name, seconds in watch.calls if name == "RegisterTargets")
    took = (event.done_at - event.received_at).total_seconds()
    return Run(took, route, answered, watch.queries, watch.database_seconds)


def without_standby(aws: Control) -> Run:
    """A notice with nothing prepared."""
    slot = _slot(aws)
    watch, answered = _notice(slot)
    event = InterruptionEvent.objects.get(client=slot.client)
    took = (watch.asked_at["RunInstances"] - event.received_at).total_seconds()
    launch = sum(seconds for name, seconds in watch.calls if name == "RunInstances")
    return Run(took, launch, answered, watch.queries, watch.database_seconds)


def _slot(aws: Control) -> Slot:
    aws.reset()
    runner.empty_tables()
    slot = Slot(aws, MovedClock())
    slot.route_to_a_group()
    return slot


def _notice(slot: Slot) -> tuple[Watch, float]:
    watch = Watch()
    clients = [session.client(ACCOUNT, service, REGION) for service in ("ec2", "elbv2")]
    for client in clients:
        client.meta.events.register("before-call", watch.before, unique_id="bench")
        client.meta.events.register("after-call", watch.after, unique_id="bench-after")
    began = time.perf_counter()
    try:
        with connection.execute_wrapper(watch.query):
            slot.notice()
    finally:
        for client in clients:
            client.meta.events.unregister("before-call", watch.before, unique_id="bench")
            client.meta.events.unregister("after-call", watch.after, unique_id="bench-after")
    return watch, time.perf_counter() - began


def quantile(values: list[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(ready: list[Run], bare: list[Run]) -> str:
    """Both kinds, beside the claims."""
    rows = [
        ("notice received to promoted, standby ready", [r.until for r in ready]),
        ("  of it, the simulated AWS (RegisterTargets)", [r.aws_until for r in ready]),
        ("  of it, ours", [r.until - r.aws_until for r in ready]),
        ("  the request answered (old machine ending, too)", [r.answered for r in ready]),
        ("  the database, whole request", [r.database for r in ready]),
        ("no standby: notice received to RunInstances asked", [r.until for r in bare]),
        ("  the simulated AWS's answer to RunInstances", [r.aws_until for r in bare]),
    ]
    lines = [f"{'milliseconds':52}{'p50':>9}{'p99':>9}{'most':>9}"]
    for name, values in rows:
        figures = (quantile(values, 0.5), quantile(values, 0.99), max(values))
        lines.append(f"{name:52}" + "".join(f"{1000 * value:9.1f}" for value in figures))
    lines.append(
        f"queries of a request: {quantile([r.queries for r in ready], 0.5):.0f} with a standby, "
        f"{quantile([r.queries for r in bare], 0.5):.0f} without; "
        f"{len(ready)} and {len(bare)} failovers"
    )
    p99 = quantile([r.until for r in ready], 0.99)
    asked = quantile([r.until for r in bare], 0.99)
    lines.append(
        f"claimed elsewhere: {CLAIMED_WITH_STANDBY} s with a standby, {1000 * p99:.0f} ms here at p99: "
        f"1/{CLAIMED_WITH_STANDBY / p99:.0f} (server's part; detection, up to 2 s, comes before)"
    )
    lines.append(
        f"claimed elsewhere: {CLAIMED_WITHOUT} s without, of which {1000 * asked:.0f} ms at p99 pass here "
        f"until EC2 is asked (1/{CLAIMED_WITHOUT / asked:.0f}); the rest is the machine's boot"
    )
    return "\n".join(lines)


def kept(ready: list[Run], bare: list[Run]) -> bool:
    """The goal: 500 ms at p99 besides AWS's own answers; RunInstances asked within a second."""
    ours = quantile([r.until - r.aws_until for r in ready], 0.99)
    return ours < 0.5 and max(r.until for r in bare) < 1.0
