"""Instance types: which exist, and how big they are. moto ships AWS's own records."""

from __future__ import annotations

from functools import cache
from typing import Any

from moto.ec2.models.instance_types import INSTANCE_TYPES

# AWS's normalisation factors of sizes within a family (one "small" is 1).
_SIZES = {"nano": 0.25, "micro": 0.5, "small": 1.0, "medium": 2.0, "large": 4.0, "xlarge": 8.0}


def exists(instance_type: str) -> bool:
    return instance_type in INSTANCE_TYPES


@cache
def names() -> tuple[str, ...]:
    return tuple(sorted(INSTANCE_TYPES))


def record(instance_type: str) -> dict[str, Any]:
    found: dict[str, Any] = INSTANCE_TYPES.get(instance_type, {})
    return found


def family(instance_type: str) -> str:
    return instance_type.partition(".")[0]


def factor(instance_type: str) -> float | None:
    """Size within the family; None where the name doesn't tell (metal and the like)."""
    size = instance_type.partition(".")[2]
    if size in _SIZES:
        return _SIZES[size]
    count = size.removesuffix("xlarge")
    return 8.0 * int(count) if count != size and count.isdigit() else None


def vcpus(instance_type: str) -> int:
    """Virtual CPUs; guessed by size for a type that isn't in the catalogue."""
    known = record(instance_type).get("VCpuInfo", {}).get("DefaultVCpus")
    if known:
        return int(known)
    return max(1, int((factor(instance_type) or 4.0) / 2))
