"""Endpoint 1: a machine enrols. A launched one becomes its slot's standby, and is promoted at once if due."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request

from agents import access, configuration, registration
from agents import instances as machines
from agents.joining import Claim
from agents.models import Agent, Instance, Mode
from agents.registration import Registered
from clients import auth, connection
from clients.auth import Caller
from clients.models import Client
from pricing import zones
from replicas import launching, lifecycle, obstacles, recipes, sagas, snapshots, tags
from replicas.leases import Clock
from replicas.models import Replica, Saga, Step
from replicas.obstacles import Found
from replicas.serializers import IdField
from spotopt.cloud import compute, errors
from spotopt.cloud.compute import Machine
from spotopt.lib.errors import Forbidden, Refused
from spotopt.lib.times import rfc3339

log = logging.getLogger(__name__)


class TokenInBody(auth.BearerAuthentication):
    """The header, or where there is none, `client_token` in the body."""

    def authenticate(self, request: Request) -> Any:
        """As the header does, from the body."""
        found = super().authenticate(request)
        if found is not None or not isinstance(request.data, dict):
            return found
        text = request.data.get("client_token")
        if not isinstance(text, str):
            return None
        caller = auth.authenticate_header(
            f"Bearer {text}", address=auth.address_of(request._request), now=timezone.now()
        )
        return None if caller is None else (auth.TokenUser(caller.name), caller)


class RegisterSerializer(serializers.Serializer[Any]):
    """What a machine says of itself."""

    instance_id = serializers.RegexField(r"^i-[0-9a-zA-Z]{1,30}$", max_length=32)
    instance_type = serializers.RegexField(r"^[a-z0-9-]+\.[a-z0-9-]+$", max_length=32)
    region = serializers.RegexField(r"^[a-z]{2}(-[a-z]+)+-\d$", max_length=24)
    az = serializers.CharField(max_length=24, required=False, allow_blank=True, default="")
    az_id = serializers.CharField(max_length=24, required=False, allow_blank=True, default="")
    mode = serializers.ChoiceField(choices=Mode.choices)
    private_ip = serializers.IPAddressField(required=False, allow_null=True, default=None)
    agent_version = serializers.CharField(
        max_length=32, required=False, allow_blank=True, default=""
    )
    hooks = serializers.ListField(
        child=serializers.CharField(max_length=64), max_length=50, required=False, default=list
    )
    logical_agent_id = serializers.CharField(
        max_length=128, required=False, allow_blank=True, default=""
    )
    is_replica = serializers.BooleanField(required=False, default=False)
    parent_agent_id = IdField(required=False, allow_null=True, default=None)
    recovery_mode = serializers.BooleanField(required=False, default=False)
    replacing_agent_id = IdField(required=False, allow_null=True, default=None)
    rejoin = serializers.BooleanField(required=False, default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A zone by name, by id, or both."""
        if not attrs["az"] and not attrs["az_id"]:
            raise serializers.ValidationError({"az": "Name the availability zone, or send az_id."})
        return attrs


@dataclass(frozen=True)
class Enrolled:
    """The answer, and whether the machine is new."""

    body: dict[str, Any]
    created: bool


class NotWanted(access.Superseded):
    """The replica that this machine was launched for has been given up: it is being terminated."""


def enrol(*, caller: Caller, body: Any, clock: Clock) -> Enrolled:
    """Let a machine in. Raises what `registration.register` raises, and NotWanted."""
    access.require_kind(caller, access.ENROLLERS)
    form = RegisterSerializer(data=body)
    form.is_valid(raise_exception=True)
    claim = _claim(form.validated_data)
    client = access.enrolled_client(caller)
    launched = _launched_for(caller, claim)
    # EC2 told us of a machine that we launched when we launched it: no second question in an emergency.
    seen = _as_launched(launched.instance) if launched and launched.instance else None
    machine = None if seen else _ask_ec2(client, claim)
    _learn_zones(client, claim.region, clock())
    with transaction.atomic():
        registered = registration.register(
            caller=caller,
            claim=claim,
            machine=seen or machine,
            expected_instance_id=(
                launched.instance.instance_id if launched and launched.instance else ""
            ),
            now=clock(),
        )
        replica = _replica_of(registered, launched, clock())
    warnings: list[str] = []
    if machine is not None:
        found = _inspect(client, registered.instance, machine)
        warnings = found.warnings
        obstacles.tell(registered.instance, warnings, now=clock())
        _make_ours(client, registered.instance, machine, may_end=found.may_end)
    if replica is not None:
        lifecycle.registered(replica=replica, now=clock())
        sagas.settle(replica.saga, clock=clock)
    # Promoted as it enrolled, and the answer lost: it is told again what it was told.
    answer = _answer(registered, replica or launched, claim, clock())
    return Enrolled({**answer, "warnings": warnings}, registered.created)


def _claim(data: dict[str, Any]) -> Claim:
    fields = {**data, "az_name": data["az"]}
    del fields["az"]
    return Claim(**fields)


def _launched_for(caller: Caller, claim: Claim) -> Replica | None:
    """The replica row that an enrolment token is bound to."""
    if caller.replica_id is None:
        return None
    replica = (
        Replica.objects.filter(pk=caller.replica_id)
        .select_related("saga", "instance", "agent__client", "pool", "client")
        .first()
    )
    if replica is None or replica.status not in (*Replica.LIVE, Replica.Status.PROMOTED):
        raise NotWanted(claim.instance_id)
    known = Instance.objects.filter(client=replica.client_id, instance_id=claim.instance_id)
    if replica.instance is None and known.exists():
        # A row of its own is made with the replica's link to it, or by the first registration.
        raise Forbidden("This enrolment token was made for another machine.")
    return replica


def _as_launched(instance: Instance) -> Machine:
    return Machine(
        instance_id=instance.instance_id,
        state="running",
        az_name=instance.az_name,
        az_id=instance.az_id,
        instance_type=instance.instance_type,
        mode=instance.mode,
        private_ip=instance.private_ip or "",
        image_id=instance.image_id,
        launched_at=instance.launched_at,
    )


def _ask_ec2(client: Client, claim: Claim) -> Machine | None:
    """What EC2 says of the machine in the client's account; None where it does not know, or answer."""
    try:
        account = connection.account_for(client)
        ids = [claim.instance_id]
        return compute.describe(account, claim.region, ids, spot_status=True).get(claim.instance_id)
    except (errors.CloudError, Refused) as error:
        log.info("%s registers unverified: %s", claim.instance_id, error)
        return None


def _learn_zones(client: Client, region: str, now: datetime) -> None:
    """So that an emergency finds the account's zones known."""
    try:
        zones.ensure(connection.account_for(client), region, now)
    except (errors.CloudError, Refused) as error:
        log.info("zones of %s in %s are not known yet: %s", client.pk, region, error)


def _inspect(client: Client, instance: Instance, machine: Machine) -> Found:
    """How it was launched, kept for the one that comes in its place, and what its end would meet."""
    try:
        account = connection.account_for(client)
        facts = recipes.facts_of(account, instance.region, machine)
        machines.note_launch_facts(instance, facts)
        found = obstacles.inspect(account, instance.region, machine)
        machines.note_launch_facts(instance, facts | found.facts)
    except (errors.CloudError, Refused) as error:
        log.warning("not all is known of how %s was launched: %s", instance, error)
        # Somebody might replace it, and could not be told otherwise.
        return Found(may_end=not (machine.auto_scaling_group or machine.persistent))
    return found


def _make_ours(client: Client, instance: Instance, machine: Machine, *, may_end: bool) -> None:
    """Tag a verified machine, with the client's consent, so that it may be retired after a move."""
    ours = tags.is_ours(machine)
    if not ours and client.tag_machines and may_end:
        try:
            compute.tag(
                connection.account_for(client),
                instance.region,
                [instance.instance_id],
                tags.for_instance(instance),
            )
            ours = True
        except (errors.CloudError, Refused) as error:
            log.warning("%s could not be tagged: %s", instance.instance_id, error)
    machines.note_ec2(instance, image_id=machine.image_id, ours=ours)


def _replica_of(registered: Registered, launched: Replica | None, now: datetime) -> Replica | None:
    instance = registered.instance
    if instance.role != Instance.Role.STANDBY:
        return None
    if launched is not None and launched.instance is None:
        # It is here before the answer to its launch was written down: the same machine.
        step = launched.steps.filter(
            name="launch", outcome__in=(Step.Outcome.INTENDED, Step.Outcome.UNKNOWN)
        ).first()
        launching.adopt_registered(replica=launched, step=step, instance=instance, now=now)
        return launched
    known = (
        Replica.objects.filter(instance=instance)
        .select_related("saga", "instance", "agent__client", "pool", "client")
        .first()
    )
    return known or _joined(registered.agent, instance, now)


def _joined(agent: Agent, instance: Instance, now: datetime) -> Replica:
    """A standby that somebody else started joins the slot; AlreadyMoving while there is another."""
    saga = sagas.begin(
        agent=agent,
        trigger=Saga.Trigger.MANUAL,
        goal=Saga.Goal.STANDBY,
        reason="a machine joined as standby",
        now=now,
    )
    return Replica.objects.create(
        client_id=agent.client_id,
        agent=agent,
        saga=saga,
        replica_type=Replica.Type.MANUAL,
        mode=instance.mode,
        pool_id=instance.pool_id,
        instance=instance,
        created_at=now,
        launched_at=now,
        give_up_at=now + timedelta(minutes=10),
    )


def _answer(
    registered: Registered, replica: Replica | None, claim: Claim, now: datetime
) -> dict[str, Any]:
    instance = Instance.objects.get(pk=registered.instance.pk)
    agent = Agent.objects.select_related("client").get(pk=registered.agent.pk)
    snapshot = None
    if replica is not None:
        snapshot = snapshots.waiting_for(agent, now=now)
    elif claim.recovery_mode and agent.replaces is not None:
        snapshot = snapshots.waiting_for(agent.replaces, now=now)
    return {
        "status": "success",
        "agent_id": str(agent.pk),
        "message": "Agent registered successfully",
        "agent_token": registered.token,
        "pool_id": instance.pool_id,
        "config": configuration.read(agent, role=instance.role),
        "role": instance.role,
        "replica_id": str(replica.pk) if replica else None,
        "snapshot": snapshot,
        "server_time": rfc3339(now),
    }
