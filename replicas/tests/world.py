"""What the tests do to Acme's machines: start them, enrol them as their agents would, look at AWS.

Nothing of ours is replaced: launches, tokens and signals go the way they go in production.
"""

import base64
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connections
from django.utils import timezone
from rest_framework.test import APIClient

from agents.models import Agent, Instance
from clients import tokens
from clients.models import Client, FeedEvent
from pricing.models import Pool
from replicas import (
    interruptions,
    leases,
    manual,
    reconcile,
    retirement,
    sagas,
    sef,
)
from replicas.leases import Clock
from replicas.models import InterruptionEvent, Replica, Saga
from simulator.tests.harness import Sim, eventually
from spotopt.lib.times import rfc3339
from spotopt.tests import cast

TYPE = "t3.medium"
# The simulated account's names for the zones.
ZONES = {
    "a": "use1-az6",
    "b": "use1-az1",
    "c": "use1-az2",
    "d": "use1-az4",
    "e": "use1-az3",
    "f": "use1-az5",
}


class Crash(BaseException):
    """The process dies here: nothing catches it."""


def pool_in(letter: str, instance_type: str = TYPE) -> str:
    """The pool of us-east-1<letter>."""
    return f"{instance_type}.{ZONES[letter]}"


def later(**span: float) -> Clock:
    """A clock that is ahead of the wall."""
    return lambda: timezone.now() + timedelta(**span)


def in_two_minutes() -> str:
    """When a machine that has just got its notice goes."""
    return rfc3339(timezone.now() + timedelta(minutes=2)) or ""


@dataclass
class Machine:
    """A machine with its agent on it."""

    instance_id: str
    agent_id: str
    token: str
    answer: dict[str, Any]

    @property
    def api(self) -> APIClient:
        """Calls as this machine."""
        return cast.bearer(self.token)

    @property
    def row(self) -> Instance:
        """Its row, read now."""
        return Instance.objects.select_related("agent__client", "pool").get(
            instance_id=self.instance_id
        )

    @property
    def agent(self) -> Agent:
        """Its slot, read now."""
        return Agent.objects.select_related("client").get(pk=self.agent_id)

    def path(self, rest: str) -> str:
        """A route of its agent."""
        return f"/api/agents/{self.agent_id}/{rest}"

    def post(self, rest: str, body: Any = None) -> Any:
        """POST as this machine."""
        return self.api.post(self.path(rest), body or {}, format="json")

    def get(self, rest: str) -> Any:
        """GET as this machine."""
        return self.api.get(self.path(rest))

    def notice(self, **more: Any) -> Any:
        """7, as its agent sends it."""
        return self.post(
            "termination",
            {
                "signal_type": "termination-notice",
                "termination_time": in_two_minutes(),
                "instance_id": self.instance_id,
                **more,
            },
        )

    def imminent(self, **more: Any) -> Any:
        """9."""
        return self.post("termination-imminent", {"time_until_termination_seconds": 120, **more})

    def recommendation(self, **more: Any) -> Any:
        """8."""
        return self.post(
            "create-emergency-replica",
            {
                "signal_type": "rebalance-recommendation",
                "detected_at": rfc3339(timezone.now()),
                **more,
            },
        )

    def configure(self, **settings: Any) -> None:
        """Set what people set, past the API."""
        Agent.objects.filter(pk=self.agent_id).update(**settings)


class World:
    """Acme and its account."""

    def __init__(self, sim: Sim, client: Client) -> None:
        self.sim = sim
        self.client = client
        self.token = tokens.issue_client(client, timezone.now())
        self.api = cast.bearer(self.token)
        self._ec2 = warm_ec2(sim)

    # Machines

    def start(self, az: str = "us-east-1a", *, mode: str = "spot", **more: Any) -> str:
        """A machine that somebody launches by hand; EC2 knows it, we do not."""
        return self.sim.launch(
            ec2=self._ec2,
            spot=mode == "spot",
            InstanceType=more.pop("InstanceType", TYPE),
            Placement={"AvailabilityZone": az},
            **more,
        )

    def claim(self, instance_id: str, az: str = "us-east-1a", **more: Any) -> dict[str, Any]:
        """What a machine says of itself."""
        return {
            "instance_id": instance_id,
            "instance_type": TYPE,
            "region": "us-east-1",
            "az": az,
            "mode": "spot",
            **more,
        }

    def register(self, body: Any, token: str | None = None) -> Any:
        """1, with this token or the client's."""
        return cast.bearer(token or self.token).post("/api/agents/register", body, format="json")

    def enrol(self, az: str = "us-east-1a", *, mode: str = "spot", **more: Any) -> Machine:
        """A machine started by hand, with its agent enrolled."""
        return self.enrolled(self.claim(self.start(az, mode=mode), az, mode=mode, **more))

    def enrolled(self, claim: dict[str, Any], token: str | None = None) -> Machine:
        """The machine of a registration that is expected to work."""
        answer = self.register(claim, token)
        assert answer.status_code in (200, 201), answer.json()
        told = answer.json()
        return Machine(claim["instance_id"], told["agent_id"], told["agent_token"], told)

    def boot(self, what: Replica | str) -> Machine:
        """A machine launched by us comes up: its agent enrols with what its user data exports."""
        instance_id = (
            what if isinstance(what, str) else Replica.objects.get(pk=what.pk).instance.instance_id  # type: ignore[union-attr]
        )
        exports = self.exports(instance_id)
        seen = self.sim.instance(instance_id)
        return self.enrolled(
            self.claim(
                instance_id,
                seen["az"],
                mode=seen["mode"],
                instance_type=seen["type"],
                is_replica=True,
                parent_agent_id=exports["SPOTOPT_PARENT_AGENT_ID"],
            ),
            exports["SPOTOPT_TOKEN"],
        )

    def exports(self, instance_id: str) -> dict[str, str]:
        """What a launched machine finds in its environment, from EC2's copy of its user data."""
        told = self._ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="userData")
        script = base64.b64decode(told["UserData"]["Value"]).decode()
        return dict(re.findall(r"^export (\w+)='?([^'\n]*)'?$", script, re.MULTILINE))

    def standby(self, primary: Machine, **wish: Any) -> Machine:
        """Ask for a standby (10) and let it come up; ready unless something is to be synced."""
        answer = self.api.post(primary.path("replicas"), wish, format="json")
        assert answer.status_code == 201, answer.json()
        return self.boot(answer.json()["instance_id"])

    # AWS

    @property
    def launches(self) -> list[dict[str, Any]]:
        """RunInstances calls of ours, the oldest first: known by our tokens' 64 characters."""
        return [call for call in self.sim.state()["launches"] if len(call["client_token"]) == 64]

    @property
    def launched(self) -> list[str]:
        """Instances we launched, the oldest first."""
        return [made for call in self.launches for made in call["instance_ids"]]

    @property
    def refused(self) -> list[tuple[str, str]]:
        """(zone id, mode) of the launches that were refused, in order."""
        return [(call["az_id"], call["mode"]) for call in self.launches if call["refused"]]

    def billing(self) -> set[str]:
        """What costs money now."""
        return set(self.sim.state()["totals"]["billing_instances"])

    def wait_gone(self, instance_id: str) -> None:
        """Until EC2 says terminated."""
        self.sim.wait_state(instance_id, "terminated")

    def kill(self, instance_id: str) -> None:
        """It dies without a word, and EC2 knows."""
        self.sim.interrupt(instance_id, "death")
        self.wait_gone(instance_id)

    # Time passes

    def sweep(self, clock: Clock = timezone.now) -> None:
        """What the guard does in a round, in this thread and at this time."""
        for event in interruptions.unanswered(clock()):
            sef.resume(event, clock=clock)
        for saga_id in leases.due(clock()):
            sagas.run(saga_id, clock=clock)
        reconcile.check_suspects(clock=clock)
        manual.maintain(clock=clock)
        retirement.sweep(clock=clock)

    def sweep_until(self, check: Callable[[], Any], clock: Clock = timezone.now) -> None:
        """Rounds of the guard until something is so."""

        def round_and_look() -> Any:
            self.sweep(clock)
            return check()

        eventually(round_and_look)

    def settled(self, clock: Clock | None = None) -> None:
        """The guard has nothing left to do, by default once every lease of now has run out."""
        self.sweep_until(self.at_rest, clock or later(seconds=40))

    def at_rest(self) -> bool:
        """No saga on its way, and no machine that waits for its end."""
        moving = Saga.objects.filter(status__in=Saga.OPEN).exclude(status=Saga.Status.STANDING)
        leaving = Instance.objects.billing().exclude(retire_asked_at=None)
        return not moving.exists() and not leaving.exists()

    # What is written down

    @property
    def events(self) -> list[InterruptionEvent]:
        """The oldest first."""
        return list(InterruptionEvent.objects.order_by("received_at"))

    @property
    def event(self) -> InterruptionEvent:
        """The only one."""
        return InterruptionEvent.objects.get()

    @property
    def saga(self) -> Saga:
        """The only one."""
        return Saga.objects.get()

    @property
    def replica(self) -> Replica:
        """The newest."""
        found = Replica.objects.select_related("instance", "saga").order_by("created_at").last()
        assert found is not None
        return found

    @property
    def instance_of_replica(self) -> str:
        """EC2's id of the newest replica's machine; empty while there is none."""
        instance = self.replica.instance
        return instance.instance_id if instance else ""

    def told(self, event_type: str) -> list[str]:
        """What people were told of this kind, the oldest first."""
        rows = FeedEvent.objects.filter(event_type=event_type).order_by("created_at", "id")
        return list(rows.values_list("message", flat=True))

    def primaries(self, agent_id: str) -> list[str]:
        """The slot's primaries; there should be one."""
        rows = Instance.objects.primary().filter(agent_id=agent_id)
        return list(rows.values_list("instance_id", flat=True))

    def price(self, letter: str, price: str, mode: str = "spot") -> None:
        """AWS's own word on a pool's price now."""
        cast.make_pool(TYPE, ZONES[letter])
        Pool.objects.filter(pk=pool_in(letter)).update(
            spot_price=price, spot_price_at=timezone.now()
        )


_warm: dict[str, Any] = {}


def warm_ec2(sim: Sim) -> Any:
    """A plain boto3 client past our own code; making one takes a while."""
    if sim.url not in _warm:
        _warm[sim.url] = sim.client("ec2")
    return _warm[sim.url]


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run these in threads of their own, started together; what each returned, in order."""
    results: list[Any] = [None] * len(calls)
    gate = threading.Barrier(len(calls))

    def one(place: int, call: Callable[[], Any]) -> None:
        try:
            gate.wait(10)
            results[place] = call()
        except Exception as error:  # noqa: BLE001 - handed to the test
            results[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one, args=item) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return results


def stored_times(event: InterruptionEvent) -> list[datetime]:
    """Detected, received, acted, done: in that order."""
    event.refresh_from_db()
    found = [event.detected_at, event.received_at, event.acted_at, event.done_at]
    return [moment for moment in found if moment is not None]
