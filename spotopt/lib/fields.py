"""Numbers on the wire: decimal inside, JSON numbers outside."""

from decimal import Decimal
from typing import Any

from rest_framework import serializers


def number(value: Decimal | None) -> float | None:
    """Money or a price as JSON shows it; unknown stays null, never zero."""
    return None if value is None else float(value)


class DecimalNumberField(serializers.DecimalField):
    """A decimal, read exactly from a JSON number or string and written as a JSON number."""

    def to_representation(self, value: Decimal) -> Any:
        """Write."""
        return number(super().quantize(value))


def price_field(**options: Any) -> DecimalNumberField:
    """USD an hour, above zero, six decimals."""
    return DecimalNumberField(
        **{"max_digits": 12, "decimal_places": 6, "min_value": Decimal("0.000001"), **options}
    )


def usd_field(**options: Any) -> DecimalNumberField:
    """USD, zero or more, two decimals."""
    return DecimalNumberField(
        **{"max_digits": 10, "decimal_places": 2, "min_value": Decimal(0), **options}
    )
