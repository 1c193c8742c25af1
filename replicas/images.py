"""Images taken of primaries now and then, where the client's policy is `snapshot`; old ones are deleted.

The row is written before EC2 is asked, and names the image: whoever finds it open asks again for the same.
"""

import logging
from collections import defaultdict
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from agents.models import Agent, Instance, MachineImage
from clients import connection, feed, installation
from clients.models import Client
from replicas import tags
from replicas.leases import Clock
from replicas.models import Step
from spotopt.cloud import errors, images
from spotopt.lib.errors import Refused

log = logging.getLogger(__name__)

Status = MachineImage.Status
TAG = "spotopt:image"
MAKING = (Status.WANTED, Status.PENDING)
# An image of a large disk takes long; one that takes longer than this will not come.
PATIENCE = timedelta(hours=12)


def refresh(*, clock: Clock) -> int:
    """Begin what is due, look at what is under way, delete what is past its time; images begun."""
    for image in MachineImage.objects.filter(status__in=MAKING).select_related("client", "agent"):
        _guarded(image, _advance, clock())
    begun = sum(_begin_due(agent, now=clock()) for agent in _photographed())
    for image in _superfluous(clock()):
        _guarded(image, _delete, clock())
    return begun


def _photographed() -> list[Agent]:
    return list(
        Agent.objects.live()
        .filter(
            client__image_policy=Client.ImagePolicy.SNAPSHOT,
            client__status=Client.Status.ACTIVE,
            enabled=True,
        )
        .select_related("client")
    )


def _begin_due(agent: Agent, *, now: datetime) -> bool:
    """Whether an image of its primary was due, and its making has begun."""
    if not installation.automation_on(agent.client):
        return False
    primary = Instance.objects.primary().billing().filter(agent=agent, verified=True).first()
    if primary is None:
        return False
    since = now - timedelta(hours=agent.client.image_every_hours)
    # A failed one counts: what fails every time is tried at the pace that was asked for.
    if MachineImage.objects.filter(agent=agent, created_at__gt=since).exists():
        return False
    try:
        with transaction.atomic():
            image = MachineImage.objects.create(
                client_id=agent.client_id,
                agent=agent,
                instance_id=primary.instance_id,
                region=primary.region,
                created_at=now,
            )
    except IntegrityError:  # another process has just begun one, or one is still in the making
        return False
    _guarded(image, _advance, now)
    return True


def _guarded(image: MachineImage, act: object, now: datetime) -> None:
    try:
        act(image, now)  # type: ignore[operator]
    except (errors.ThrottleError, errors.UnreachableError, errors.NotYetVisibleError) as error:
        log.info("image %s: later: %s", image.pk, error.code)
    except (errors.CloudError, Refused) as error:
        log.warning("image %s: %s", image.pk, error)
        if image.status in MAKING:
            _failed(image, str(error), now)


def _advance(image: MachineImage, now: datetime) -> None:
    account = connection.account_for(image.client)
    if image.status == Status.WANTED:
        image.image_id = images.create(
            account,
            image.region,
            instance_id=image.instance_id,
            name=f"spotopt-{image.pk}",
            tags=_tags(image),
        )
        image.status = Status.PENDING
        image.save(update_fields=["image_id", "status"])
    found = images.describe(account, image.region, [image.image_id]).get(image.image_id)
    if found is not None and found.state == "available":
        images.mark(account, image.region, found, _tags(image))
        image.status = Status.AVAILABLE
        image.save(update_fields=["status"])
    elif found is not None and found.state not in ("pending", "transient"):
        _failed(image, f"EC2 calls it {found.state}", now)
    elif now - image.created_at > PATIENCE:
        _failed(image, "it did not become available", now)


def _tags(image: MachineImage) -> dict[str, str]:
    return {
        tags.INSTALLATION: str(installation.current().pk),
        tags.CLIENT: str(image.client_id),
        tags.AGENT: str(image.agent_id),
        TAG: str(image.pk),
    }


def _failed(image: MachineImage, why: str, now: datetime) -> None:
    image.status, image.failure = Status.FAILED, why[:200]
    image.save(update_fields=["status", "failure"])
    feed.record(
        client_id=image.client_id,
        agent_id=image.agent_id,
        event_type="image_failed",
        severity="warning",
        message=f"No image of {image.instance_id} of {image.agent}: {why}",
        now=now,
    )


def _superfluous(now: datetime) -> list[MachineImage]:
    """Beyond the number kept, or the age; the newest of an agent still managed, and any in use, never."""
    used = _in_use()
    by_agent: dict[object, list[MachineImage]] = defaultdict(list)
    rows = MachineImage.objects.filter(status=Status.AVAILABLE).select_related("client", "agent")
    for image in rows:  # the newest first
        by_agent[image.agent_id].append(image)
    past = []
    for group in by_agent.values():
        for place, image in enumerate(group):
            managed = image.agent.status != Agent.Status.TERMINATED
            client = image.client
            old = now - image.created_at > timedelta(days=client.image_days_kept)
            keep = managed and (place == 0 or (place < client.images_kept and not old))
            if not keep and image.image_id not in used:
                past.append(image)
    # Failed ones may have left something behind.
    past += MachineImage.objects.filter(status=Status.FAILED, deleted_at=None).exclude(image_id="")
    return past


def _in_use() -> set[str]:
    """Images that a machine runs from, a launch under way names, or a client has chosen."""
    running = Instance.objects.billing().exclude(image_id="").values_list("image_id", flat=True)
    open_steps = Step.objects.filter(
        name="launch", outcome__in=(Step.Outcome.INTENDED, Step.Outcome.UNKNOWN)
    ).values_list("detail__spec__image_id", flat=True)
    chosen = Client.objects.exclude(image_id="").values_list("image_id", flat=True)
    return {*running, *filter(None, open_steps), *chosen}


def _delete(image: MachineImage, now: datetime) -> None:
    account = connection.account_for(image.client)
    images.delete(account, image.region, image.image_id, tag=(TAG, str(image.pk)))
    if image.status != Status.FAILED:
        image.status = Status.DELETED
    image.deleted_at = now
    image.save(update_fields=["status", "deleted_at"])
