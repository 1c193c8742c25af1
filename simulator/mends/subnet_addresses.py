"""Machines get addresses of the simulator's block of the loopback network, whatever the range of
their subnet says, so that what runs on them can really be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.ec2.models.subnets import Subnet

if TYPE_CHECKING:
    from ..world import World


def install(world: World) -> None:
    def get_available_subnet_ip(self: Any, instance: Any) -> str:
        address = world.addresses.allocate()
        self._subnet_ips[address] = instance
        return address

    def del_subnet_ip(self: Any, ip: str) -> None:
        self._subnet_ips.pop(ip, None)

    Subnet.get_available_subnet_ip = get_available_subnet_ip  # type: ignore[method-assign]
    Subnet.del_subnet_ip = del_subnet_ip  # type: ignore[method-assign]
