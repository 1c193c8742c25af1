"""Shapes of what machines send."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from agents.commands import ERROR_LENGTH
from agents.documents import DocumentField, NumberField, StrictBooleanField
from agents.events import Event
from agents.heartbeats import INTERVAL_SECONDS, Beat
from agents.models import Mode
from agents.price_reports import PriceReport, Where
from spotopt.lib.times import MomentField

STATE_BYTES = 256 * 1024
RESULT_BYTES = 16 * 1024
EVENT_BYTES = 8 * 1024
EVENTS_LIMIT = 500
REPORTS_LIMIT = 1000
LONG_AGO = datetime.fromisoformat("2000-01-01T00:00:00Z")


def instance_id_field(**options: Any) -> serializers.RegexField:
    """EC2's id of an instance."""
    return serializers.RegexField(
        r"^i-[0-9A-Za-z-]{1,30}\Z",
        error_messages={"invalid": "Not an instance id: it looks like i-0123456789abcdef0."},
        **options,
    )


def instance_type_field(**options: Any) -> serializers.RegexField:
    """A type's name, such as t3.medium."""
    return serializers.RegexField(
        r"^[a-z0-9-]{1,20}\.[a-z0-9-]{1,11}\Z",
        error_messages={"invalid": "Not an instance type: it looks like t3.medium."},
        **options,
    )


def zone_field(**options: Any) -> serializers.RegexField:
    """A zone's name or id; may be left out or blank."""
    return serializers.RegexField(
        r"^[a-z0-9-]+\Z", max_length=24, required=False, allow_blank=True, **options
    )


def hooks_field() -> serializers.ListField:
    """Names of the hooks a machine has."""
    return serializers.ListField(
        child=serializers.CharField(max_length=64), max_length=50, required=False
    )


class MetricsSerializer(serializers.Serializer[dict[str, float]]):
    """A machine's load: percent, and megabits a second. What it cannot know may be null."""

    cpu_utilization = NumberField(
        min_value=0, max_value=100, required=False, allow_null=True, default=None
    )
    memory_utilization = NumberField(
        min_value=0, max_value=100, required=False, allow_null=True, default=None
    )
    network_in_mbps = NumberField(
        min_value=0, max_value=1e7, required=False, allow_null=True, default=None
    )
    network_out_mbps = NumberField(
        min_value=0, max_value=1e7, required=False, allow_null=True, default=None
    )


class HeartbeatSerializer(serializers.Serializer[Beat]):
    """Endpoint 2's body; `beat()` gives what `heartbeats.record` wants."""

    status = serializers.CharField(max_length=32, required=False)
    current_mode = serializers.ChoiceField(choices=Mode.choices, required=False)
    instance_id = instance_id_field(required=False, allow_null=True)
    uptime_seconds = NumberField(min_value=0, max_value=1e11, required=False)
    interval_seconds = NumberField(min_value=0.01, max_value=86_400, required=False)
    metrics = MetricsSerializer(required=False, allow_null=True)
    state = DocumentField(max_bytes=STATE_BYTES, required=False, allow_null=True)
    hooks = hooks_field()
    agent_version = serializers.CharField(max_length=32, required=False)

    def beat(self) -> Beat:
        """What the machine tells."""
        told = self.validated_data
        uptime = told.get("uptime_seconds")
        return Beat(
            interval_seconds=told.get("interval_seconds", INTERVAL_SECONDS),
            uptime_seconds=None if uptime is None else int(uptime),
            metrics=told.get("metrics"),
            state=told.get("state"),
            hooks=told.get("hooks"),
            agent_version=told.get("agent_version"),
        )


class ExecutedSerializer(serializers.Serializer[Any]):
    """Endpoint 5's body."""

    success = StrictBooleanField()
    result = DocumentField(max_bytes=RESULT_BYTES, required=False, allow_null=True)
    error = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=65_536
    )
    instance_id = instance_id_field(required=False, allow_null=True)

    def error_text(self) -> str:
        """The reason, cut to what is kept."""
        return str(self.validated_data.get("error") or "")[:ERROR_LENGTH]


class EventSerializer(serializers.Serializer[Event]):
    """One thing that an agent saw."""

    event_id = serializers.CharField(max_length=128)
    kind = serializers.RegexField(r"^[a-z][a-z_]*\Z", max_length=40)
    at = MomentField()
    # The metaclass takes the field away, so that `data` stays what it is in every serializer.
    data = DocumentField(  # type: ignore[assignment]
        max_bytes=EVENT_BYTES, required=False, allow_null=True
    )

    def validate_at(self, at: datetime) -> datetime:
        """A clock may be off, but not by decades."""
        if not LONG_AGO <= at <= LONG_AGO.replace(year=2200):
            raise serializers.ValidationError("Not a time that an event can have had.")
        return at


class EventsSerializer(serializers.Serializer[Any]):
    """A batch of events."""

    instance_id = instance_id_field(required=False, allow_null=True)
    events = serializers.ListField(child=EventSerializer(), max_length=EVENTS_LIMIT)

    def batch(self) -> list[Event]:
        """In the order in which they came."""
        return [
            Event(
                event_id=told["event_id"],
                kind=told["kind"],
                at=told["at"],
                data=told.get("data") or {},
            )
            for told in self.validated_data["events"]
        ]


class MachineSerializer(serializers.Serializer[Any]):
    """A body that names at most the machine it is about."""

    instance_id = instance_id_field(required=False, allow_null=True)


class PriceReportSerializer(serializers.Serializer[PriceReport]):
    """Endpoint 6's body, or one of its `reports`."""

    pool_id = serializers.CharField(max_length=80, required=False, allow_null=True)
    instance_type = instance_type_field(required=False)
    az = zone_field(source="az_name")
    az_id = zone_field(allow_null=True)
    spot_price = serializers.DecimalField(
        # AWS gives prices as strings with six decimals; a JSON number may carry a float's tail.
        max_digits=40,
        decimal_places=None,
        min_value=Decimal("0.000001"),
        max_value=Decimal(100_000),
    )
    timestamp = MomentField()
    is_replica = StrictBooleanField(required=False)
    instance_id = instance_id_field(required=False, allow_null=True)

    def report(self) -> PriceReport:
        """What the machine reports."""
        return price_report(self.validated_data)


class PriceReportsSerializer(serializers.Serializer[Any]):
    """Endpoint 6's body when it delivers many."""

    instance_id = instance_id_field(required=False, allow_null=True)
    reports = serializers.ListField(
        child=PriceReportSerializer(), max_length=REPORTS_LIMIT, allow_empty=False
    )

    def batch(self) -> list[PriceReport]:
        """In the order in which they came."""
        return [price_report(told) for told in self.validated_data["reports"]]


def price_report(told: Mapping[str, Any]) -> PriceReport:
    """Checked values as the domain wants them."""
    return PriceReport(
        price=told["spot_price"].quantize(Decimal("0.000001")),
        at=told["timestamp"],
        where=Where(
            pool_id=told.get("pool_id") or "",
            instance_type=told.get("instance_type") or "",
            az_name=told.get("az_name") or "",
            az_id=told.get("az_id") or "",
        ),
        is_replica=told.get("is_replica", False),
    )
