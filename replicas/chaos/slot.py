"""One client with one slot, and its machines played: they boot, enrol, synchronise, and ask again."""

import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

from agents import heartbeats, instances
from agents.models import Agent, Instance
from clients import auth, tokens
from clients.auth import Caller
from clients.models import Client
from replicas import enrolment, requests, sef, tags
from replicas.chaos.aws import Control
from replicas.chaos.clock import MovedClock
from replicas.models import InterruptionEvent, Replica, Saga, Step
from spotopt.cloud import compute, session
from spotopt.cloud.account import Account
from spotopt.cloud.compute import LaunchSpec

REGION = "us-east-1"
TYPE = "t3.medium"
IMAGE = "ami-simulated00000000"
ACCOUNT = Account()


class Slot:
    """A client of its own, and its primary in us-east-1a."""

    def __init__(
        self, aws: Control, clock: MovedClock, *, name: str = "Chaos", **settings: Any
    ) -> None:
        self.aws = aws
        self.clock = clock
        self.client = Client.objects.create(
            name=name, email=f"{name.lower()}@example.com", max_usd_per_hour=1000
        )
        self.token = tokens.issue_client(self.client, clock())
        self.first_id = self._start("us-east-1a")
        self.callers: dict[str, Caller] = {}
        answer = self._enrol(self.token, self.first_id, {})
        self.agent_id = UUID(answer["agent_id"])
        Agent.objects.filter(pk=self.agent_id).update(**settings)

    # What is written down

    @property
    def agent(self) -> Agent:
        """Read now."""
        return Agent.objects.select_related("client").get(pk=self.agent_id)

    @property
    def first(self) -> Instance:
        """The machine that it begins with, read now."""
        return Instance.objects.select_related("agent__client", "pool").get(
            client=self.client, instance_id=self.first_id
        )

    @property
    def primary(self) -> Instance | None:
        """Whoever serves."""
        return instances.primary_of(self.agent)

    @property
    def sagas(self) -> list[Saga]:
        """The oldest first."""
        return list(Saga.objects.filter(agent_id=self.agent_id).order_by("created_at"))

    def ready_replica(self) -> Replica | None:
        """The standby, once it could serve."""
        return (
            Replica.objects.filter(agent_id=self.agent_id, status=Replica.Status.READY)
            .select_related("saga", "instance", "agent__client", "client", "pool")
            .first()
        )

    def moved(self) -> bool:
        """Another machine than the first serves."""
        primary = self.primary
        return primary is not None and primary.instance_id != self.first_id

    # The machines

    def newest_zone(self) -> str:
        """Where the latest machine is: the standby's zone if there is one."""
        rows = self.aws.state()["instances"]
        mine = [row for row in rows if row["bills"]] or rows
        return str(max(mine, key=lambda row: row["launched_at"])["az"])

    def play_machines(self) -> None:
        """Each machine of ours does its next thing: enrols, then reports itself in sync.

        It is EC2 that says which there are: one whose launch nobody has noted enrols all the same.
        """
        running = [row for row in self.aws.state()["instances"] if row["state"] == "running"]
        self._beat([row["id"] for row in running])
        for row in running:
            if tags.REPLICA not in row["tags"]:
                continue
            replica = self._replica_of(row)
            if replica is None:
                continue
            registered = replica.instance and replica.registered_at
            if not registered and replica.status in Replica.LIVE:
                self._boot(row, replica)
            elif replica.status == Replica.Status.SYNCING:
                requests.synced(
                    replica=replica, status="synced", at=self.clock(), lag=0.0, clock=self.clock
                )

    def _beat(self, running: list[str]) -> None:
        rows = Instance.objects.filter(
            client=self.client, instance_id__in=running, role__in=("primary", "standby")
        )
        for instance in rows.exclude(registered_at=None).select_related("agent"):
            heartbeats.record(instance=instance, beat=heartbeats.Beat(), now=self.clock())

    def notice(self, *, imminent: bool = False) -> sef.Answer:
        """7, or 9, from the first machine."""
        now = self.clock()
        return sef.on_notice(
            instance=self.first,
            detected_at=now,
            termination_time=now + timedelta(seconds=120),
            channel=InterruptionEvent.Channel.AGENT,
            imminent=imminent,
            clock=self.clock,
        )

    def recommendation(self) -> sef.Answer:
        """8."""
        return sef.on_recommendation(
            instance=self.first,
            detected_at=self.clock(),
            channel=InterruptionEvent.Channel.AGENT,
            clock=self.clock,
        )

    def route_to_a_group(self) -> None:
        """A target group in front, with the first machine in it."""
        elb = session.client(ACCOUNT, "elbv2", REGION)
        vpcs = session.client(ACCOUNT, "ec2", REGION).describe_vpcs()["Vpcs"]
        made = elb.create_target_group(
            Name=f"t{secrets.token_hex(4)}", Protocol="HTTP", Port=80, VpcId=vpcs[0]["VpcId"]
        )
        arn = made["TargetGroups"][0]["TargetGroupArn"]
        elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": self.first_id}])
        Agent.objects.filter(pk=self.agent_id).update(target_group_arn=arn)

    def _start(self, az_name: str) -> str:
        spec = LaunchSpec(instance_type=TYPE, mode="spot", az_name=az_name, image_id=IMAGE)
        made = compute.launch(ACCOUNT, REGION, spec=spec, client_token=secrets.token_hex(8))
        return made.instance_id

    def _replica_of(self, row: dict[str, Any]) -> Replica | None:
        return (
            Replica.objects.filter(pk=row["tags"][tags.REPLICA], client=self.client)
            .select_related("saga", "instance", "agent__client", "client", "pool")
            .first()
        )

    def _boot(self, row: dict[str, Any], replica: Replica) -> None:
        step = Step.objects.filter(key=row["client_token"]).first()
        if step is None:
            return
        # The text that its user data carries.
        token = tokens.issue_enrolment(
            self.client, replica.agent_id, replica.pk, step.attempt, step.started_at
        )
        more = {"is_replica": True, "parent_agent_id": str(replica.agent_id)}
        fields = {"az": row["az"], "mode": row["mode"], "instance_type": row["type"]}
        self._enrol(token, row["id"], {**fields, **more})

    def _enrol(self, token: str, instance_id: str, more: dict[str, Any]) -> dict[str, Any]:
        body = {
            "instance_id": instance_id,
            "instance_type": TYPE,
            "region": REGION,
            "az": "us-east-1a",
            "mode": "spot",
            **more,
        }
        answer = enrolment.enrol(caller=self._caller(token), body=body, clock=self.clock).body
        self.callers[instance_id] = self._caller(answer["agent_token"])
        return answer

    def _caller(self, token: str) -> Caller:
        found = auth.authenticate_text(token, self.clock())
        if found is None:
            raise RuntimeError("a token that was just issued is not known")
        return found
