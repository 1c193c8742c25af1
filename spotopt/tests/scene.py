"""What the access matrix is played on: Acme with a machine and people, Other with the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from agents.models import Agent, Command, Instance
from clients import tokens
from clients.models import Client, Membership
from replicas.models import Replica, Saga
from spotopt.lib.times import rfc3339
from spotopt.tests import cast

CALLERS = (
    "agent", "other_agent", "enrolment", "client", "other_client", "owner", "viewer", "other_person", "staff",
)  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """The callers by name, and what the placeholders of routes stand for."""

    callers: Mapping[str, APIClient]
    values: Mapping[str, str]


def make_replica(primary: Instance) -> Replica:
    """A standby of this machine's slot, being launched."""
    agent, now = primary.agent, timezone.now()
    saga = Saga.objects.create(
        client=agent.client,
        agent=agent,
        trigger=Saga.Trigger.MANUAL,
        goal=Saga.Goal.STANDBY,
        reason="the scene",
        old_instance=primary,
        created_at=now,
    )
    return Replica.objects.create(
        client=agent.client,
        agent=agent,
        saga=saga,
        replica_type=Replica.Type.MANUAL,
        pool=primary.pool,
        created_at=now,
    )


def make_command(primary: Instance) -> Command:
    """A command that waits for this machine."""
    now = timezone.now()
    return Command.objects.create(
        agent=primary.agent,
        instance=primary,
        command_type=Command.Type.UPDATE_CONFIG,
        priority=Command.Priority.MANUAL,
        dedupe_key="scene",
        created_at=now,
        expires_at=now + timedelta(minutes=5),
    )


def callers(acme: Client, slot: cast.Slot, replica: Replica) -> dict[str, APIClient]:
    """Everybody who may knock, with a valid credential each."""
    now = timezone.now()
    other = cast.make_client("Other")
    other_slot = cast.make_slot(other, "i-0other000000001")
    alice = cast.make_user("alice", acme, Membership.Role.OWNER)
    bob = cast.make_user("bob", acme, Membership.Role.VIEWER)
    charlie = cast.make_user("charlie", other, Membership.Role.OWNER)
    enrolment = tokens.issue_enrolment(acme, slot.agent.pk, replica.pk, 1, now)
    return {
        "agent": slot.api,
        "other_agent": other_slot.api,
        "enrolment": cast.bearer(enrolment),
        "client": cast.bearer(tokens.issue_client(acme, now)),
        "other_client": cast.bearer(tokens.issue_client(other, now)),
        "owner": cast.logged_in(alice),
        "viewer": cast.logged_in(bob),
        "other_person": cast.logged_in(charlie),
        "staff": cast.logged_in(cast.make_user("staff", is_staff=True, is_superuser=True)),
    }


@pytest.fixture
def scene(db, settings) -> Scene:
    """Set once per test; no AWS account is connected."""
    settings.SERVER_AWS_ACCOUNT = False
    acme = cast.make_client("Acme")
    slot = cast.make_slot(acme, "i-0acme0000000001", status=Agent.Status.ONLINE)
    replica = make_replica(slot.primary)
    command = make_command(slot.primary)
    return Scene(
        callers=callers(acme, slot, replica),
        values={
            "client_id": str(acme.pk),
            "agent_id": str(slot.agent.pk),
            "instance_id": slot.primary.instance_id,
            "replica_id": str(replica.pk),
            "command_id": str(command.pk),
            "pool_id": slot.primary.pool_id,
            "now": rfc3339(timezone.now()) or "",
        },
    )
