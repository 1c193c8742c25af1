"""The emergency path in the admin: what happened, to read. Acting is for pages and API."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from replicas.models import InterruptionEvent, Quarantine, Replica, Saga, Sighting, Snapshot, Step
from spotopt.lib.admin import ReadOnly, Rows


class History(Rows):
    """Rows that belong to another, to read."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False


class StepRows(History):
    """The journal."""

    model = Step
    ordering = ["started_at", "pk"]
    fields = [
        "started_at",
        "name",
        "attempt",
        "outcome",
        "pool",
        "mode",
        "detail",
        "ended_at",
        "key",
    ]


class SightingRows(History):
    """Which channels heard a signal."""

    model = Sighting
    fields = ["channel", "first_at", "times"]


@admin.register(Saga)
class SagaAdmin(ReadOnly):
    """Moves and standbys, each with its journal."""

    list_display = [
        "agent",
        "client",
        "trigger",
        "goal",
        "status",
        "created_at",
        "promoted_at",
        "failure",
    ]
    list_filter = ["status", "trigger", "goal"]
    search_fields = [
        "id",
        "agent__logical_agent_id",
        "old_instance__instance_id",
        "reason",
        "failure",
    ]
    list_select_related = ["agent", "client"]
    date_hierarchy = "created_at"
    inlines = [StepRows]


@admin.register(Replica)
class ReplicaAdmin(ReadOnly):
    """Standbys and replacements."""

    list_display = [
        "agent",
        "client",
        "replica_type",
        "status",
        "pool_id",
        "mode",
        "instance",
        "created_at",
    ]
    list_filter = ["status", "replica_type", "mode"]
    search_fields = ["id", "agent__logical_agent_id", "instance__instance_id", "pool__pool_id"]
    list_select_related = ["agent", "client", "instance"]
    date_hierarchy = "created_at"


@admin.register(InterruptionEvent)
class InterruptionEventAdmin(ReadOnly):
    """Signals, with what was done and when."""

    list_display = [
        "received_at", "kind", "instance", "agent", "client", "action_taken", "done_at", "channel",
        "times_heard",
    ]  # fmt: skip
    list_filter = ["kind", "action_taken", "channel"]
    search_fields = ["id", "instance__instance_id", "agent__logical_agent_id", "pool__pool_id"]
    list_select_related = ["instance", "agent", "client"]
    date_hierarchy = "received_at"
    inlines = [SightingRows]


@admin.register(Quarantine)
class QuarantineAdmin(ReadOnly):
    """Pools that are passed over at present, and were."""

    list_display = ["pool_id", "mode", "code", "strikes", "struck_at", "until"]
    list_filter = ["mode", "code"]
    search_fields = ["pool__pool_id"]
    ordering = ["-until"]


@admin.register(Snapshot)
class SnapshotAdmin(ReadOnly):
    """What replacements were given."""

    list_display = ["agent", "event", "created_at", "fetched_at"]
    search_fields = ["agent__logical_agent_id", "event__instance__instance_id"]
    list_select_related = ["agent", "event__instance"]
    date_hierarchy = "created_at"
