"""Shapes of the emergency path's endpoints."""

import uuid
from datetime import UTC, datetime
from typing import Any

from rest_framework import serializers

from agents.models import Mode
from replicas.models import Replica
from spotopt.lib.times import MomentField, rfc3339

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def _of_this_age(moment: datetime) -> None:
    """Metadata may be stale, and is taken as it is; what lies outside cannot be reckoned with."""
    if not EARLIEST <= moment <= LATEST:
        raise serializers.ValidationError("Not a time of this age.")


def _moment() -> MomentField:
    return MomentField(required=False, allow_null=True, default=None, validators=[_of_this_age])


class IdField(serializers.UUIDField):
    """An id as text; a number is none, though it could be read as one."""

    def to_internal_value(self, data: Any) -> uuid.UUID:
        """Parse."""
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        return super().to_internal_value(data)


class TerminationSerializer(serializers.Serializer[Any]):
    """Endpoint 7: the two-minute notice."""

    signal_type = serializers.ChoiceField(
        choices=["termination-notice"], default="termination-notice"
    )
    termination_time = _moment()
    detected_at = _moment()
    instance_id = serializers.CharField(max_length=32, required=False)


class ImminentSerializer(serializers.Serializer[Any]):
    """Endpoint 9: promote now."""

    termination_time = _moment()
    time_until_termination_seconds = serializers.FloatField(
        required=False, min_value=0, max_value=86_400, default=None, allow_null=True
    )
    instance_id = serializers.CharField(max_length=32, required=False)


class RecommendationSerializer(serializers.Serializer[Any]):
    """Endpoint 8: a rebalance recommendation."""

    signal_type = serializers.ChoiceField(
        choices=["rebalance-recommendation"], default="rebalance-recommendation"
    )
    detected_at = _moment()
    instance_id = serializers.CharField(max_length=32, required=False)


class ReplicaRequestSerializer(serializers.Serializer[Any]):
    """Endpoint 10: a standby is wanted."""

    replica_type = serializers.ChoiceField(choices=["manual", "switch"], default="manual")
    pool_id = serializers.CharField(max_length=80, required=False, allow_blank=True, default="")
    mode = serializers.ChoiceField(choices=Mode.choices, required=False, default="")
    keep_alive = serializers.BooleanField(required=False, default=False)
    command_id = IdField(required=False, allow_null=True, default=None)


class SyncSerializer(serializers.Serializer[Any]):
    """Endpoint 14: how far a replica is synchronised; the lag is in seconds."""

    sync_status = serializers.ChoiceField(choices=["syncing", "synced", "failed"])
    last_sync_timestamp = _moment()
    lag_seconds = serializers.FloatField(
        required=False, allow_null=True, default=None, min_value=0, max_value=1e9
    )


def replica(row: Replica, *, ready_by: datetime | None = None) -> dict[str, Any]:
    """A replica on the wire. `ready_at` of one that is not ready is an estimate, and `ready` says so."""
    return {
        "replica_id": str(row.pk),
        "instance_id": row.instance.instance_id if row.instance else None,
        "status": row.status,
        "replica_type": row.replica_type,
        "mode": row.mode,
        "pool_id": row.pool_id,
        "ready": row.status in (Replica.Status.READY, Replica.Status.PROMOTED),
        "created_at": rfc3339(row.created_at),
        "ready_at": rfc3339(row.ready_at or ready_by),
        "sync_status": row.sync_status or None,
        "last_sync_timestamp": rfc3339(row.last_sync_at),
        "lag_seconds": row.lag_seconds,
        "terminated_at": rfc3339(row.terminated_at),
        "failure": row.failure or None,
    }
