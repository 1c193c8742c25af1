"""Fields for what machines send: finite numbers, and documents of bounded size and depth."""

import json
import math
from typing import Any

from rest_framework import serializers

from spotopt.lib.errors import Refused

DEEPEST = 64


class TooLarge(Refused):
    """A document is over its limit (413)."""

    status = 413


class NumberField(serializers.FloatField):
    """A finite number; true and false are none."""

    def to_internal_value(self, data: Any) -> float:
        """Parse."""
        if isinstance(data, bool):
            self.fail("invalid")
        try:
            value = float(super().to_internal_value(data))
        except OverflowError:
            self.fail("invalid")
        if not math.isfinite(value):
            self.fail("invalid")
        return value


class StrictBooleanField(serializers.Field[bool, Any, bool, Any]):
    """JSON's true or false, and nothing that merely looks like them."""

    default_error_messages = {"invalid": "Must be true or false."}

    def to_internal_value(self, data: Any) -> bool:
        """Parse."""
        if not isinstance(data, bool):
            self.fail("invalid")
        return data

    def to_representation(self, value: bool) -> bool:
        """Write."""
        return value


class DocumentField(serializers.Field[dict[str, Any], Any, dict[str, Any], Any]):
    """A JSON object that is kept as it is: at most `max_bytes` of UTF-8, at most 64 levels deep.

    Raises TooLarge past its size.
    """

    default_error_messages = {
        "object": "Must be a JSON object.",
        "deep": f"Must not be nested deeper than {DEEPEST} levels.",
    }

    def __init__(self, *, max_bytes: int, **options: Any) -> None:
        super().__init__(**options)
        self.max_bytes = max_bytes

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Check."""
        if not isinstance(data, dict):
            self.fail("object")
        if depth(data) > DEEPEST:
            self.fail("deep")
        size = len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())
        if size > self.max_bytes:
            text = f"Must not be larger than {self.max_bytes} bytes; it has {size}."
            raise TooLarge(f"{self.field_name}: {text}", errors={str(self.field_name): [text]})
        return data

    def to_representation(self, value: dict[str, Any]) -> dict[str, Any]:
        """Write."""
        return value


def depth(document: Any) -> int:
    """Levels of nesting; stops counting where it is past the limit anyway."""
    level, items = 0, [document]
    while items and level <= DEEPEST:
        level += 1
        below: list[Any] = []
        for item in items:
            if isinstance(item, dict):
                below += item.values()
            elif isinstance(item, list):
                below += item
        items = [item for item in below if isinstance(item, dict | list)]
    return level
