"""Machines that are awkward to end: replaced by somebody else as soon as they go, protected, or with disks
that stay behind. Looked for at enrolment, where people are told; cleared before a termination.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime

from agents import instances as machines
from agents.models import Instance
from clients import feed
from spotopt.cloud import compute, errors, replacers, volumes
from spotopt.cloud.account import Account
from spotopt.cloud.compute import Machine

log = logging.getLogger(__name__)

# Keys of an instance's launch facts that are its own, and never its successor's.
GROUP = "auto_scaling_group"
REQUEST = "persistent_request"
VOLUMES = "volumes_left"
OWN = (GROUP, REQUEST, VOLUMES)
PROTECTED = "OperationNotPermitted"


@dataclass(frozen=True)
class Found:
    """`facts` join the instance's launch facts; `may_end`: nothing that we know of forbids its end."""

    facts: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    may_end: bool = True


def inspect(account: Account, region: str, machine: Machine) -> Found:
    """What stands in the way of ending this machine after a move. Raises CloudError."""
    facts: dict[str, str] = {}
    warnings: list[str] = []
    may_end = True
    if group := machine.auto_scaling_group:
        facts[GROUP] = group
        if not replacers.may_detach(account, region, group=group):
            may_end = False
            warnings.append(
                f"It is a member of the Auto Scaling group {group}, and the connection does not permit "
                "autoscaling:DetachInstances: after a move it is left running."
            )
    if machine.persistent:
        facts[REQUEST] = machine.spot_request_id
        if not replacers.may_cancel(account, region, spot_request_id=machine.spot_request_id):
            may_end = False
            warnings.append(
                f"Its spot request {machine.spot_request_id} is persistent, and the connection does not "
                "permit ec2:CancelSpotInstanceRequests: after a move it is left running."
            )
    if compute.protected(account, region, machine.instance_id):
        warnings.append("Its termination protection is on: after a move it is left running.")
    return Found(facts, warnings, may_end)


def tell(instance: Instance, warnings: list[str], *, now: datetime) -> None:
    """A line in the feed for each."""
    for text in warnings:
        feed.record(
            client_id=instance.client_id,
            agent_id=instance.agent_id,
            event_type="enrolment_warning",
            severity="warning",
            message=f"{instance}: {text}",
            now=now,
        )


def clear(account: Account, instance: Instance) -> str:
    """Keep others from replacing it; why it must be left running, or nothing. Idempotent.

    Raises CloudError where asking again may help.
    """
    facts = instance.launch_facts or {}
    try:
        if group := facts.get(GROUP):
            replacers.detach(
                account, instance.region, group=group, instance_id=instance.instance_id
            )
        if request := facts.get(REQUEST):
            replacers.cancel(account, instance.region, spot_request_id=request)
    except errors.PermanentError as error:
        log.warning("%s would be replaced by others: %s", instance, error)
        what = "Auto Scaling group" if facts.get(GROUP) else "spot request"
        return f"its {what} would replace it, and could not be told otherwise ({error.code})"
    if facts.keys() & {GROUP, REQUEST}:
        done = {key: value for key, value in facts.items() if key not in (GROUP, REQUEST)}
        machines.note_launch_facts(instance, done)
    return ""


def note_volumes(account: Account, instance: Instance, *, now: datetime) -> None:
    """Before its end: the disks that will stay behind, told once and kept with the row."""
    if VOLUMES in (instance.launch_facts or {}):
        return
    try:
        left = volumes.kept(account, instance.region, instance.instance_id)
    except errors.CloudError as error:
        log.info("volumes of %s are not known: %s", instance, error.code)
        return
    if not left:
        return
    machines.note_launch_facts(instance, {**(instance.launch_facts or {}), VOLUMES: left})
    feed.record(
        client_id=instance.client_id,
        agent_id=instance.agent_id,
        event_type="volumes_left_behind",
        severity="warning",
        message=f"{instance} leaves volumes behind, which go on costing: {', '.join(left)}",
        now=now,
    )
