"""Moving traffic: each call is a journaled, idempotent step that never keeps a promotion waiting for long."""

import logging
from collections.abc import Callable

from agents.models import Instance
from clients import connection, feed
from replicas import journal
from replicas.leases import Lease
from replicas.models import Step
from spotopt.cloud import errors, routing

log = logging.getLogger(__name__)

TRIES = 3


def to(lease: Lease, instance: Instance) -> None:
    """Register the new machine with the agent's target group, if it has one."""
    _step(lease, "route", instance, routing.register)


def away_from(lease: Lease, instance: Instance) -> None:
    """Deregister the old one; a load balancer stops sending to it at once."""
    _step(lease, "deroute", instance, routing.deregister)


def _step(lease: Lease, name: str, instance: Instance, act: Callable[..., None]) -> None:
    saga = lease.saga
    arn = saga.agent.target_group_arn
    if not arn or journal.done_already(saga, name):
        return
    account = connection.account_for(saga.client)
    for _ in range(TRIES):
        step = journal.intend(
            saga,
            name,
            now=lease.clock(),
            detail={"target_group_arn": arn, "instance_id": instance.instance_id},
        )
        lease.renew()
        try:
            act(account, instance.region, target_group_arn=arn, instance_id=instance.instance_id)
        except (errors.ThrottleError, errors.UnreachableError, errors.NotYetVisibleError) as error:
            journal.end(step, Step.Outcome.UNKNOWN, now=lease.clock(), error=error.code)
            continue
        except errors.CloudError as error:
            journal.end(step, Step.Outcome.REFUSED, now=lease.clock(), error=error.code)
            break
        journal.end(step, Step.Outcome.DONE, now=lease.clock())
        return
    # The machine is promoted all the same: a primary without traffic can be mended, no primary cannot.
    feed.record(
        client_id=saga.client_id,
        agent_id=saga.agent_id,
        event_type="routing_failed",
        severity="critical",
        message=f"Traffic of {saga.agent} could not be moved ({name} {instance.instance_id}): "
        f"look at its target group",
        now=lease.clock(),
    )
