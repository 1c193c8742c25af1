"""Compares our rows with EC2: what died without a word, what runs without a row, what bills for nothing.

It terminates by itself only what a saga of this very database launched and no longer wants. Another
installation's instances, and anything untagged, it never touches.
"""

import logging
import uuid
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from agents import heartbeats
from agents import instances as machines
from agents.models import Agent, Instance
from clients import connection, feed, installation
from clients.models import Client, FeedEvent
from replicas import launching, leases, lifecycle, retirement, sagas, sef, tags
from replicas.leases import Clock
from replicas.models import InterruptionEvent, Replica, Step
from spotopt.cloud import compute, errors
from spotopt.cloud.compute import Machine
from spotopt.lib.errors import Refused

log = logging.getLogger(__name__)

Role = Instance.Role
# How often EC2 is asked again about a machine that is silent though EC2 says that it runs.
LOOK_AGAIN = timedelta(seconds=5)
# A machine that runs and says nothing for so long is failed over.
SILENCE_BORNE = timedelta(minutes=15)
MARKED = "marked-for-termination"  # the spot request's status between notice and end
NO_PURPOSE = "instance_without_purpose"
REMIND_AFTER = timedelta(days=1)


def check_suspects(*, clock: Clock) -> None:
    """Machines that missed their heartbeat: EC2 is asked, and what is gone is failed over at once."""
    now = clock()
    suspects = list(
        Instance.objects.billing()
        .filter(suspect_after__lte=now, verified=True, role__in=(Role.PRIMARY, Role.STANDBY))
        .exclude(agent__status=Agent.Status.TERMINATED)
        .select_related("agent__client", "client", "pool")[:500]
    )
    for (client, region), group in _by_region(suspects).items():
        found = _describe(client, region, group)
        if found is None:
            continue
        for instance in group:
            machine = found.get(instance.instance_id)
            if _dead(instance, machine, now=now) or _silent_for_good(instance, machine, now=now):
                died(instance, machine, clock=clock)
        heartbeats.look_again(group, at=clock() + LOOK_AGAIN)


def ended(machine: Machine) -> bool:
    """It serves no more: gone, or stopped by somebody."""
    return machine.gone or machine.state in ("stopping", "stopped")


def _dead(instance: Instance, machine: Machine | None, *, now: datetime) -> bool:
    if machine is not None:
        return ended(machine)
    return retirement.really_gone(instance, None, now=now)


def _silent_for_good(instance: Instance, machine: Machine | None, *, now: datetime) -> bool:
    """It runs, as EC2 says, but its own checks fail, or nobody has heard it for too long.

    Short silence of a machine that runs is the agent's or the network's: people are told, nothing moves.
    """
    if machine is None or machine.state != "running":
        return False
    heard = instance.last_heartbeat_at or instance.registered_at
    return machine.impaired or (heard is not None and now - heard > SILENCE_BORNE)


def died(
    instance: Instance,
    machine: Machine | None,
    *,
    clock: Clock,
    channel: InterruptionEvent.Channel = InterruptionEvent.Channel.STATE,
) -> None:
    """EC2 says that this machine is gone: the primary is replaced, a standby only if still wanted."""
    if machine is None or machine.state == "terminated":
        machines.confirm_gone(instance, now=clock())
    if instance.role == Role.PRIMARY:
        sef.on_death(instance=instance, channel=channel, clock=clock)
        return
    replica = Replica.objects.filter(instance=instance, status__in=Replica.LIVE).first()
    if replica is not None:
        lifecycle.lost(replica=replica, why="its machine is gone", now=clock())
        sagas.run(replica.saga_id, clock=clock)


def run(*, clock: Clock) -> None:
    """The whole comparison, for every client and region that has machines: once a minute."""
    rows = list(
        Instance.objects.billing()
        .filter(verified=True)
        .select_related("agent__client", "client", "pool")
        .order_by("client_id", "region")
    )
    regions: dict[tuple[Client, str], list[Instance]] = _by_region(rows)
    for replica in Replica.objects.filter(
        instance=None, status__in=(*Replica.LIVE, Replica.Status.TERMINATING)
    ).select_related("client", "pool"):
        regions.setdefault((replica.client, replica.pool.region), [])
    for (client, region), group in regions.items():
        try:
            _compare(client, region, group, clock=clock)
        except (errors.CloudError, Refused) as error:
            log.warning("cannot compare %s in %s: %s", client.pk, region, error)


def _compare(client: Client, region: str, rows: list[Instance], *, clock: Clock) -> None:
    account = connection.account_for(client)
    ours = {tags.INSTALLATION: str(installation.current().pk), tags.CLIENT: str(client.pk)}
    tagged = {
        machine.instance_id: machine
        for machine in compute.find_tagged(account, region, tags=ours)
        if not machine.gone
    }
    found = compute.describe(account, region, [row.instance_id for row in rows], spot_status=True)
    for row in rows:
        machine = found.get(row.instance_id)
        if machine is not None and machine.spot_status == MARKED and row.role == Role.PRIMARY:
            # The third ear: neither the agent nor EventBridge may have heard the notice.
            sef.on_notice(
                instance=row,
                detected_at=clock(),
                termination_time=None,
                channel=InterruptionEvent.Channel.STATE,
                imminent=False,
                clock=clock,
            )
        if row.role in (Role.PRIMARY, Role.STANDBY):
            if _dead(row, machine, now=clock()):
                died(row, machine, clock=clock)
        elif retirement.really_gone(row, machine, now=clock()):
            machines.confirm_gone(row, now=clock())
    known = set(
        Instance.objects.filter(client=client, instance_id__in=list(tagged)).values_list(
            "instance_id", flat=True
        )
    )
    for instance_id, machine in tagged.items():
        if instance_id not in known:
            _without_row(client, region, machine, clock=clock)


def _without_row(client: Client, region: str, machine: Machine, *, clock: Clock) -> None:
    """A machine that carries our tags and that no row knows: adopted, so that its saga decides."""
    now = clock()
    replica = (
        Replica.objects.filter(pk=_uuid(machine.tags.get(tags.REPLICA)), client=client)
        .select_related("saga", "agent", "pool", "instance", "client")
        .first()
    )
    if replica is None:
        _report(client, machine, "no row here knows why it runs", now)
        return
    if replica.instance is None:
        step = replica.steps.filter(
            name="launch", outcome__in=(Step.Outcome.INTENDED, Step.Outcome.UNKNOWN)
        ).first()
        launching.adopt(replica=replica, step=step, machine=machine, now=now)
        leases.poke(replica.saga_id, now=now)
        return
    if replica.instance.instance_id == machine.instance_id:
        return  # adopted by its saga since we looked
    # A second machine for one need: an earlier attempt that was thought refused. Ours to end.
    extra = machines.record_launch(
        agent=replica.agent,
        instance_id=machine.instance_id,
        pool=replica.pool,
        mode=machine.mode,
        az_name=machine.az_name,
        private_ip=machine.private_ip,
        launched_at=machine.launched_at,
        now=now,
    )
    machines.retire_asked(extra, now=now)
    _report(client, machine, "a second launch for one need; it is being terminated", now)


def _report(client: Client, machine: Machine, why: str, now: datetime) -> None:
    message = f"{machine.instance_id} in {machine.az_name} bills: {why}"
    told = FeedEvent.objects.filter(
        client=client,
        event_type=NO_PURPOSE,
        message=message,
        created_at__gt=now - REMIND_AFTER,
    )
    if told.exists():
        return
    log.error("%s", message)
    feed.record(
        client_id=client.pk,
        event_type=NO_PURPOSE,
        severity="critical",
        message=message,
        now=now,
    )


def _describe(client: Client, region: str, group: list[Instance]) -> dict[str, Machine] | None:
    try:
        account = connection.account_for(client)
        ids = [row.instance_id for row in group]
        return compute.describe(account, region, ids, checks=True)
    except (errors.CloudError, Refused) as error:
        log.warning("EC2 does not say how %d machines of %s are: %s", len(group), client.pk, error)
        return None


def _by_region(rows: Iterable[Instance]) -> dict[tuple[Client, str], list[Instance]]:
    groups: dict[tuple[Client, str], list[Instance]] = defaultdict(list)
    for row in rows:
        groups[row.client, row.region].append(row)
    return groups


def _uuid(text: str | None) -> uuid.UUID:
    """A tag's id; one that nothing has for a tag that is no id."""
    try:
        return uuid.UUID(text or "")
    except ValueError:
        return uuid.UUID(int=0)
