"""A client leaves: standbys are terminated first, primaries run on unless asked otherwise, then its rows go.

Terminations take as long as EC2 takes, so a departure is resumable: the client stands as `deleting`, and
whoever sweeps next goes on. Nothing is deleted while a machine of ours may still bill.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from agents import instances as machines
from agents import registration
from agents.models import Agent, Command, Instance, Switch
from clients import connection, feed, tenants
from clients.models import Client
from replicas import lifecycle, retirement, sagas, tags
from replicas.leases import Clock
from replicas.models import InterruptionEvent, Replica, Saga
from spotopt.cloud import compute, errors
from spotopt.lib.errors import Refused

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """How far a departure has got: what still has to end, and which primaries run on, unmanaged."""

    done: bool
    terminating: list[str]
    left_running: list[str]


def begin(*, client: Client, terminate_primaries: bool, by: str, clock: Clock) -> Progress:
    """Start, or go on with, deleting a client. Asked again it tells how far it is."""
    now = clock()
    if Client.objects.filter(pk=client.pk, status=Client.Status.ACTIVE).update(
        status=Client.Status.DELETING
    ):
        feed.record(
            client_id=client.pk,
            event_type="client_deletion_began",
            severity="warning",
            message=f"{by} began to delete the client {client.name}.",
            now=now,
        )
    for agent in Agent.objects.live().filter(client=client):
        primary = registration.withdraw(agent=agent, now=clock())
        if primary is not None and terminate_primaries and primary.ours:
            machines.retire_asked(primary, now=clock())
    return go_on(client, by=by, clock=clock)


def go_on(client: Client, *, by: str, clock: Clock) -> Progress:
    """One step further; the rows go once EC2 has confirmed every end."""
    for saga in Saga.objects.filter(client=client, status__in=Saga.OPEN):
        lifecycle.abandon(saga, reason="its client is being deleted", now=clock())
        sagas.settle(saga, clock=clock)
    retirement.sweep(clock=clock, client=client)
    for saga in Saga.objects.filter(client=client, status__in=Saga.OPEN):
        sagas.run(saga.pk, clock=clock)
    ending = Instance.objects.billing().filter(client=client).exclude(retire_asked_at=None)
    terminating = sorted(ending.values_list("instance_id", flat=True))
    left = Instance.objects.billing().filter(client=client, retire_asked_at=None)
    left_running = sorted(left.values_list("instance_id", flat=True))
    if terminating or Saga.objects.filter(client=client, status__in=Saga.OPEN).exists():
        return Progress(False, terminating, left_running)
    _untag(client, list(left.filter(verified=True)))
    _delete_rows(client, left_running, by=by, now=clock())
    return Progress(True, [], left_running)


def finish(*, clock: Clock) -> None:
    """The guard's sweep: departures under way."""
    for client in Client.objects.filter(status=Client.Status.DELETING):
        go_on(client, by="the system", clock=clock)


def _untag(client: Client, instances: list[Instance]) -> None:
    """They are no longer ours to end."""
    for region in {instance.region for instance in instances}:
        ids = [instance.instance_id for instance in instances if instance.region == region]
        try:
            compute.untag(connection.account_for(client), region, ids, [*tags.ALL])
        except (errors.CloudError, Refused) as error:
            log.warning("machines of %s in %s keep their tags: %s", client.pk, region, error)


def _delete_rows(client: Client, left_running: list[str], *, by: str, now: datetime) -> None:
    """From the leaves to the root: histories protect the machines that they speak of."""
    with transaction.atomic():
        for model in (InterruptionEvent, Replica, Saga, Switch):
            model.objects.filter(client=client).delete()
        Command.objects.filter(agent__client=client).delete()
        Instance.objects.filter(client=client).delete()
        Agent.objects.filter(client=client).delete()
        tenants.delete_rows(client=client, by=by, now=now)
        if left_running:
            feed.record(
                client_id=None,
                event_type="machines_left_running",
                severity="warning",
                message=f"{client.name} is deleted; run on unmanaged: {', '.join(left_running)}",
                now=now,
            )
