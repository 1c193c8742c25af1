"""Client tokens of RunInstances: which launch belongs to which, per account and region."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# What may differ between a call and its repetition.
_NOT_COMPARED = {"ClientToken", "Action", "Version", "DryRun"}


@dataclass(frozen=True)
class Remembered:
    """A launch that was made: the digest of its parameters, and what it gave."""

    digest: str
    reservation_id: str
    instance_ids: tuple[str, ...]


class LaunchTokens:
    def __init__(self) -> None:
        self._launches: dict[tuple[str, str, str], Remembered] = {}

    def find(self, *, account: str, region: str, token: str) -> Remembered | None:
        return self._launches.get((account, region, token))

    def keep(self, launch: Remembered, *, account: str, region: str, token: str) -> None:
        self._launches[account, region, token] = launch

    def clear(self) -> None:
        self._launches.clear()


def digest(parameters: Mapping[str, Any]) -> str:
    """Of the parameters as they came over the wire, whatever their order."""
    compared = {key: value for key, value in parameters.items() if key not in _NOT_COMPARED}
    return hashlib.sha256(json.dumps(compared, sort_keys=True, default=str).encode()).hexdigest()
