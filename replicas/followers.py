"""What follows a slot's primary, each one idempotent deed: target group, Elastic IP, DNS, webhook."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from agents import webhooks
from agents.models import Agent, Instance
from clients import connection
from replicas.models import Saga
from spotopt.cloud import addresses, compute, dns, errors, routing
from spotopt.lib import outbound
from spotopt.lib.times import rfc3339


@dataclass(frozen=True)
class Follower:
    """`name` is the step's in the journal; `where` tells a person what to look at.

    `act` raises CloudError, Undelivered, or Refused where there is no account.
    """

    name: str
    where: str
    set_up: Callable[[Agent], bool]
    act: Callable[[Saga, Instance, datetime], object]


def _part(agent: Agent, name: str) -> dict[str, Any]:
    found: dict[str, Any] = (agent.routing or {}).get(name) or {}
    return found


def _register(saga: Saga, instance: Instance, now: datetime) -> None:
    routing.register(
        connection.account_for(saga.client),
        instance.region,
        target_group_arn=saga.agent.target_group_arn,
        instance_id=instance.instance_id,
    )


def _deregister(saga: Saga, instance: Instance, now: datetime) -> None:
    routing.deregister(
        connection.account_for(saga.client),
        instance.region,
        target_group_arn=saga.agent.target_group_arn,
        instance_id=instance.instance_id,
    )


def _give_address(saga: Saga, instance: Instance, now: datetime) -> None:
    addresses.associate(
        connection.account_for(saga.client),
        instance.region,
        allocation_id=_part(saga.agent, "elastic_ip")["allocation_id"],
        instance_id=instance.instance_id,
    )


def _point_record(saga: Saga, instance: Instance, now: datetime) -> None:
    record = _part(saga.agent, "dns")
    dns.point(
        connection.account_for(saga.client),
        zone_id=record["zone_id"],
        name=record["name"],
        kind=record["type"],
        address=_address(saga, instance, record),
        ttl=record["ttl"],
    )


def _address(saga: Saga, instance: Instance, record: dict[str, Any]) -> str:
    private = record["type"] == "A" and record["address"] == "private"
    if private and instance.private_ip:
        return instance.private_ip
    account = connection.account_for(saga.client)
    ids = [instance.instance_id]
    machine = compute.describe(account, instance.region, ids).get(instance.instance_id)
    if machine is None:
        raise errors.NotYetVisibleError("InvalidInstanceID.NotFound", instance.instance_id)
    address = machine.ipv6 if record["type"] == "AAAA" else machine.public_ip
    address = machine.private_ip if private else address
    if not address:
        kind = "IPv6" if record["type"] == "AAAA" else record["address"]
        raise errors.PermanentError("NoAddress", f"{instance} has no {kind} address")
    return address


def _call_webhook(saga: Saga, instance: Instance, now: datetime) -> None:
    content = webhooks.body(
        {
            "event": "primary_changed",
            "id": str(saga.pk),
            "agent_id": str(saga.agent_id),
            "logical_agent_id": saga.agent.logical_agent_id,
            "trigger": saga.trigger,
            "promoted_at": rfc3339(saga.promoted_at),
            "new": _told(instance),
            "old": _told(saga.old_instance),
        }
    )
    outbound.post(
        _part(saga.agent, "webhook")["url"],
        content,
        headers=webhooks.headers(saga.agent, content, now=now),
        anywhere=settings.DEBUG,
    )


def _told(instance: Instance | None) -> dict[str, Any] | None:
    if instance is None:
        return None
    return {
        "instance_id": instance.instance_id,
        "private_ip": instance.private_ip,
        "pool_id": instance.pool_id,
        "region": instance.region,
        "mode": instance.mode,
    }


def _has(part: str) -> Callable[[Agent], bool]:
    return lambda agent: bool(_part(agent, part))


# In this order: a public record wants to know the Elastic IP.
BEFORE = (
    Follower("route", "target group", lambda agent: bool(agent.target_group_arn), _register),
    Follower("elastic_ip", "Elastic IP", _has("elastic_ip"), _give_address),
    Follower("dns", "DNS record", _has("dns"), _point_record),
)
AFTER = (Follower("webhook", "webhook", _has("webhook"), _call_webhook),)
AWAY = Follower("deroute", "target group", lambda agent: bool(agent.target_group_arn), _deregister)
