"""`ami-simulated00000000` exists in every region of every account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.ec2.models.amis import Ami, AmiBackend

if TYPE_CHECKING:
    from ..world import World

IMAGE = "ami-simulated00000000"


def install(world: World) -> None:
    moto_load = AmiBackend._load_amis

    def load(self: Any) -> None:
        moto_load(self)
        self.amis[IMAGE] = Ami(
            self,
            IMAGE,
            name="simulated",
            description="Runs its user data on the machine that simulates it",
            owner_id="137112412989",
            owner_alias="amazon",
            public=True,
            virtualization_type="hvm",
            architecture="x86_64",
            hypervisor="xen",
            root_device_type="ebs",
            root_device_name="/dev/xvda",
        )

    AmiBackend._load_amis = load  # type: ignore[method-assign]
