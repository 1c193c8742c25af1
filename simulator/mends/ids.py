"""Random ids drawn in one go. moto draws them digit by digit, which is half the time that a region
with its 1300 images takes to come into being."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from moto.ec2 import utils

if TYPE_CHECKING:
    from ..world import World


def install(world: World) -> None:
    def random_resource_id(size: int = 8) -> str:
        return f"{random.getrandbits(4 * size):0{size}x}"

    utils.random_resource_id = random_resource_id
