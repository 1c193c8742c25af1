"""What the tenant endpoints take."""

from typing import Any

from rest_framework import serializers


class NewClient(serializers.Serializer[Any]):
    """The body of endpoint 15."""

    name = serializers.CharField(max_length=200)
    email = serializers.EmailField(max_length=254)
    target_savings_percent = serializers.IntegerField(min_value=0, max_value=100, default=50)
    max_switches_per_day = serializers.IntegerField(min_value=0, max_value=100, default=3)
