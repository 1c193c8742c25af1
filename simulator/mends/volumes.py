"""Volumes: DetachVolume without an instance, which moto answers with 500, and attaching across zones,
which EC2 refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_block_store import EBSBackend

if TYPE_CHECKING:
    from ..world import World


def install(world: World) -> None:
    moto_detach = EBSBackend.detach_volume
    moto_attach = EBSBackend.attach_volume

    def detach_volume(
        self: Any, volume_id: str, instance_id: str | None, device_path: str | None
    ) -> Any:
        volume = self.get_volume(volume_id)
        if volume.attachment is None:
            raise EC2ClientError(
                "IncorrectState", f"Volume '{volume_id}' is in the 'available' state."
            )
        holder = volume.attachment.instance.id
        if instance_id and instance_id != holder:
            raise EC2ClientError(
                "InvalidAttachment.NotFound",
                f"The volume '{volume_id}' is not attached to '{instance_id}'.",
            )
        return moto_detach(self, volume_id, holder, device_path or volume.attachment.device)

    def attach_volume(
        self: Any, volume_id: str, instance_id: str, device_path: str, *rest: Any, **more: Any
    ) -> Any:
        volume = self.get_volume(volume_id)
        instance = self.get_instance(instance_id)
        if volume.attachment is not None:
            raise EC2ClientError("VolumeInUse", f"{volume_id} is already attached to an instance")
        zone = getattr(volume.zone, "name", volume.zone)
        if zone != instance.placement.zone:
            raise EC2ClientError(
                "InvalidVolume.ZoneMismatch",
                f"The volume '{volume_id}' is not in the same availability zone as instance "
                f"'{instance_id}'",
            )
        return moto_attach(self, volume_id, instance_id, device_path, *rest, **more)

    EBSBackend.detach_volume = detach_volume  # type: ignore[method-assign]
    EBSBackend.attach_volume = attach_volume  # type: ignore[method-assign]
