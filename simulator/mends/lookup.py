"""moto finds an instance, an image and the tags of a thing by walking through all of them, which makes
a fleet quadratic. They are looked up by id instead."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from moto.ec2.exceptions import InvalidInstanceIdError
from moto.ec2.models.amis import Ami, AmiBackend
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.models.instances import Instance, InstanceBackend, Reservation
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, filter_reservations, get_prefix

if TYPE_CHECKING:
    from ..world import World


def _find(backend: Any, instance_id: str) -> tuple[Reservation, Instance] | None:
    index: dict[str, tuple[Reservation, Instance]] = backend.__dict__.setdefault("_by_id", {})
    if instance_id not in index:
        for reservation in backend.reservations.values():
            for instance in reservation.instances:
                index[instance.id] = (reservation, instance)
    return index.get(instance_id)


def install(world: World) -> None:
    def get_instance_by_id(self: Any, instance_id: str) -> Instance | None:
        found = _find(self, instance_id)
        return found[1] if found else None

    def get_instance(self: Any, instance_id: str) -> Instance:
        found = _find(self, instance_id)
        if found is None:
            raise InvalidInstanceIdError(instance_id)
        return found[1]

    def get_reservations_by_instance_ids(
        self: Any, instance_ids: list[str], filters: Any = None
    ) -> list[Reservation]:
        unknown = [wanted for wanted in instance_ids if _find(self, wanted) is None]
        if unknown:
            raise InvalidInstanceIdError(unknown if len(unknown) > 1 else unknown[0])
        told: dict[str, Reservation] = {}
        for wanted in dict.fromkeys(instance_ids):
            found = _find(self, wanted)
            if found is None:
                continue
            reservation, instance = found
            if reservation.id not in told:
                told[reservation.id] = copy.copy(reservation)
                told[reservation.id].instances = []
            told[reservation.id].instances.append(instance)
        reservations = list(told.values())
        return reservations if filters is None else filter_reservations(reservations, filters)

    def get_tags(self: Any) -> list[dict[str, str]]:
        kind = EC2_PREFIX_TO_RESOURCE.get(get_prefix(self.id), "")
        tags = self.ec2_backend.tags.get(self.id, {})
        return [
            {"resource_id": self.id, "key": key, "value": value, "resource_type": kind}
            for key, value in list(tags.items())
        ]

    moto_images = AmiBackend.describe_images

    def describe_images(
        self: Any,
        ami_ids: list[str] | None = None,
        filters: dict[str, Any] | None = None,
        exec_users: list[str] | None = None,
        owners: list[str] | None = None,
    ) -> list[Ami]:
        # How moto asks, at each launch, for the one image that is launched.
        wanted = (filters or {}).get("image-id")
        if isinstance(wanted, str) and filters == {"image-id": wanted} and not ami_ids:
            return [self.amis[wanted]] if wanted in self.amis else []
        return moto_images(self, ami_ids, filters, exec_users, owners)

    AmiBackend.describe_images = describe_images  # type: ignore[method-assign]
    InstanceBackend.get_instance_by_id = get_instance_by_id  # type: ignore[method-assign]
    InstanceBackend.get_instance = get_instance  # type: ignore[method-assign]
    InstanceBackend.get_reservations_by_instance_ids = (  # type: ignore[method-assign]
        get_reservations_by_instance_ids
    )
    TaggedEC2Resource.get_tags = get_tags  # type: ignore[method-assign]
