"""moto tells 100 reservations where nobody asked for pages; EC2 tells up to 1000."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.ec2.responses.instances import InstanceResponse

if TYPE_CHECKING:
    from ..world import World


def install(world: World) -> None:
    moto_describe = InstanceResponse.describe_instances

    def describe_instances(self: Any) -> Any:
        self.params.setdefault("MaxResults", 1000)
        return moto_describe(self)

    InstanceResponse.describe_instances = describe_instances  # type: ignore[method-assign]
