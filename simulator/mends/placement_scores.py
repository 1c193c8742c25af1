"""GetSpotPlacementScores: 1 to 10, from the seed alone, and 1 where spot capacity is missing."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.spot_instances import SpotInstances

from .. import zones

if TYPE_CHECKING:
    from ..world import World

_MOST_REGIONS = 10
_LEAST_TYPES = 3


def install(world: World) -> None:
    def get_spot_placement_scores(self: Any) -> ActionResult:
        self.error_on_dryrun()
        kinds = self._get_param("InstanceTypes", [])
        regions = self._get_param("RegionNames", []) or [self.region]
        if len(regions) > _MOST_REGIONS:
            raise EC2ClientError("InvalidParameterValue", "At most 10 regions can be given")
        if len(set(kinds)) < _LEAST_TYPES:
            raise EC2ClientError(
                "InvalidParameterCombination", "At least 3 different instance types are needed"
            )
        if not isinstance(self._get_param("TargetCapacity"), int):
            raise EC2ClientError("MissingParameter", "TargetCapacity is missing")
        scores: list[dict[str, Any]] = []
        for region in regions:
            told = [(z, _score(world, kinds, z)) for z in zones.of_region(region)]
            if self._get_param("SingleAvailabilityZone", False):
                scores += [
                    {"Region": region, "AvailabilityZoneId": zone.id, "Score": score}
                    for zone, score in told
                ]
            elif told:
                scores.append({"Region": region, "Score": max(score for _, score in told)})
        scores.sort(key=lambda row: -row["Score"])
        most = int(self._get_param("MaxResults") or 1000)
        return ActionResult({"SpotPlacementScores": scores[:most], "NextToken": ""})

    SpotInstances.get_spot_placement_scores = get_spot_placement_scores  # type: ignore[attr-defined]


def _score(world: World, kinds: list[str], zone: zones.Zone) -> int:
    """Of the whole request in that zone: the mean of its types."""
    total = 0
    for kind in kinds:
        if world.faults.short_of(instance_type=kind, az_id=zone.id):
            total += 1
        else:
            total += random.Random(f"{world.options.seed}/{kind}/{zone.id}/score").randint(5, 9)
    return max(1, round(total / len(kinds)))
