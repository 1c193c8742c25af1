"""The play: each workload goes through its own scenes, again and again, until the curtain falls."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import close_old_connections

from agents.models import Agent, Instance
from replicas.caps import EMERGENCY_LAUNCHES_PER_HOUR
from replicas.models import Replica, Saga
from spotopt.demo import wire
from spotopt.demo.customer import Customer, Workload
from spotopt.demo.prober import Record
from spotopt.demo.stage import Stage

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Raised:
    """An interruption as the simulator raised it."""

    kind: str
    agent_id: str
    instance_id: str
    raised_at: datetime


class Play:
    """Runs one thread per workload; each scene waits for its outcome."""

    def __init__(
        self, *, stage: Stage, customer: Customer, records: dict[str, Record], tell: Tell
    ) -> None:
        self.stage = stage
        self.customer = customer
        self.records = records
        self.tell = tell
        self.over = threading.Event()
        self.raised: list[Raised] = []
        self._lock = threading.Lock()
        self._emergencies: list[datetime] = []
        self._threads = [
            threading.Thread(target=self._perform, args=(workload, scenes, number), daemon=True)
            for number, (workload, scenes) in enumerate(
                zip(
                    customer.workloads,
                    (
                        (self.false_alarm, self.death),
                        (self.notice_with_standby,),
                        (self.notice_with_none, self.refused_pool, self.notice_with_standby),
                    ),
                    strict=True,
                )
            )
        ]

    def begin(self) -> None:
        """Raise the first interruptions."""
        for thread in self._threads:
            thread.start()

    def end(self, *, patience: float) -> None:
        """No new scene begins; those under way get `patience` seconds."""
        self.over.set()
        until = time.monotonic() + patience
        for thread in self._threads:
            thread.join(timeout=max(0.0, until - time.monotonic()))

    def _perform(
        self,
        workload: Workload,
        scenes: tuple[Callable[[Workload, random.Random], None], ...],
        n: int,
    ) -> None:
        dice = random.Random(f"{self.stage.options.seed}/{n}")  # noqa: S311 - a play, not a secret
        pace = 3.0 if self.stage.options.headless else 25.0
        turn = 0
        while not self.over.wait(dice.uniform(0.5, 1.5) * pace / self.stage.options.speed):
            scene = scenes[turn % len(scenes)]
            turn += 1
            try:
                scene(workload, dice)
            except (OSError, wire.WireError) as error:
                self.tell(f"{workload.name}: {error}")
            finally:
                close_old_connections()

    # --- scenes --------------------------------------------------------------------------------

    def false_alarm(self, workload: Workload, dice: random.Random) -> None:
        """A rebalance recommendation that no notice follows: a standby is kept ready all the same."""
        self._interrupt(workload, "rebalance")
        self._standby_ready(workload, 60)

    def notice_with_standby(self, workload: Workload, dice: random.Random) -> None:
        """The two-minute notice, with a standby ready."""
        self._ask_for_standby(workload)
        if self._standby_ready(workload, 90) and not self.over.is_set():
            self._replaced(workload, self._interrupt(workload, "notice"), 60)

    def notice_with_none(self, workload: Workload, dice: random.Random) -> None:
        """The two-minute notice, and nothing prepared: a machine is launched in another zone."""
        if self._may_be_unprepared(workload):
            self._replaced(workload, self._interrupt(workload, "notice"), 110)
        else:
            self.notice_with_standby(workload, dice)

    def refused_pool(self, workload: Workload, dice: random.Random) -> None:
        """The same, and the pools that would be first refuse: the next one is taken."""
        primary = self._primary(workload)
        zones = [zone for zone in ("az1", "az2", "az4", "az6") if f"use1-{zone}" != primary.az_id]
        for zone in dice.sample(zones, 2):
            self._aws(
                "faults",
                {
                    "kind": "capacity",
                    "pool": f"{workload.instance_type}.use1-{zone}",
                    "for_seconds": 90 / self.stage.options.speed,
                },
            )
        self.tell(f"{workload.name}: two pools refuse launches")
        self.notice_with_none(workload, dice)

    def death(self, workload: Workload, dice: random.Random) -> None:
        """The hardware fails, with no notice at all."""
        self._replaced(workload, self._interrupt(workload, "death"), 150)

    # --- their parts ---------------------------------------------------------------------------

    def _interrupt(self, workload: Workload, kind: str) -> Raised:
        primary = self._primary(workload)
        if primary.mode != "spot" and kind != "death":
            kind = "death"
        told = self._aws("interrupt", {"instance_id": primary.instance_id, "kind": kind})
        raised = Raised(
            kind=kind,
            agent_id=workload.agent_id,
            instance_id=primary.instance_id,
            raised_at=datetime.fromisoformat(told["raised_at"]).astimezone(UTC),
        )
        with self._lock:
            self.raised.append(raised)
        self.tell(f"{workload.name}: {kind} for {primary.instance_id} in {primary.pool_id}")
        return raised

    def _replaced(self, workload: Workload, raised: Raised, seconds: float) -> None:
        record = self.records[workload.agent_id]
        found = self._wait(
            lambda: record.first_other(raised.instance_id, raised.raised_at), seconds
        )
        if found is None:
            self.tell(f"{workload.name}: NOT replaced within {seconds:.0f} s")
            return
        took = (found - raised.raised_at).total_seconds()
        self.tell(f"{workload.name}: {record.serving} serves {took:.1f} s after the {raised.kind}")
        self._wait(lambda: self._settled(workload), 60)

    def _ask_for_standby(self, workload: Workload) -> None:
        agent = Agent.objects.get(pk=workload.agent_id)
        if not Saga.objects.filter(agent=agent, status__in=Saga.ACTIVE).exists():
            url = f"{self.stage.web_url}/api/agents/{workload.agent_id}/replicas"
            wire.call("POST", url, {"replica_type": "manual"}, token=self.customer.token)
            self.tell(f"{workload.name}: a standby was asked for")

    def _standby_ready(self, workload: Workload, seconds: float) -> bool:
        def ready() -> bool | None:
            rows = Replica.objects.filter(agent_id=workload.agent_id, status=Replica.Status.READY)
            return rows.exists() or None

        found = self._wait(ready, seconds) is not None
        if found:
            # A standby polls for its promotion from its second breath on.
            time.sleep(1 / self.stage.options.speed)
        return found

    def _may_be_unprepared(self, workload: Workload) -> bool:
        """Emergency launches are capped per agent and hour; and a standby that is there would be used."""
        now = datetime.now(UTC)
        with self._lock:
            self._emergencies = [at for at in self._emergencies if now - at < timedelta(hours=1)]
            if len(self._emergencies) >= EMERGENCY_LAUNCHES_PER_HOUR - 1:
                return False
            if Saga.objects.filter(agent_id=workload.agent_id, status__in=Saga.ACTIVE).exists():
                return False
            self._emergencies.append(now)
            return True

    def _settled(self, workload: Workload) -> bool | None:
        open_ = Saga.objects.filter(agent_id=workload.agent_id, status__in=Saga.OPEN)
        return not open_.exclude(status=Saga.Status.STANDING).exists() or None

    def _primary(self, workload: Workload) -> Instance:
        return Instance.objects.primary().select_related("pool").get(agent_id=workload.agent_id)

    def _aws(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return wire.call("POST", f"{self.stage.aws_url}/_sim/{path}", body)

    def _wait(self, question: Callable[[], Any], seconds: float) -> Any:
        """Ask until there is an answer; None after so many seconds. Boot times scale, so does patience."""
        until = time.monotonic() + max(seconds / self.stage.options.speed, 30)
        while time.monotonic() < until:
            if (answer := question()) is not None:
                return answer
            time.sleep(0.1)
        return None
