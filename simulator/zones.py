"""Availability zones by name and by id, as moto maps them (the same map in every account)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend


@dataclass(frozen=True)
class Zone:
    name: str
    id: str
    region: str


@cache
def _tables() -> tuple[dict[str, Zone], dict[str, tuple[Zone, ...]]]:
    named: dict[str, Zone] = {}
    regions: dict[str, tuple[Zone, ...]] = {}
    for region, zones in RegionsAndZonesBackend.zones.items():
        found = [Zone(z.name, z.zone_id, region) for z in zones]
        regions[region] = tuple(found)
        for zone in found:
            named[zone.name] = zone
            named[zone.id] = zone
    return named, regions


def find(name_or_id: str) -> Zone | None:
    """The zone of that name (`us-east-1a`) or id (`use1-az6`)."""
    return _tables()[0].get(name_or_id)


def of_region(region: str) -> tuple[Zone, ...]:
    return _tables()[1].get(region, ())
