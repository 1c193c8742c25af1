"""Decisions to read, maintenance hours to set."""

from django.contrib import admin

from mlengine.models import Blackout, Decision
from spotopt.lib.admin import Page, ReadOnly


@admin.register(Decision)
class DecisionAdmin(ReadOnly):
    """What was decided about each slot, with the arithmetic."""

    list_display = [
        "at", "agent", "client", "action", "acted", "dry_run", "pool_id", "target_pool_id", "under_target",
        "policy", "reason",
    ]  # fmt: skip
    list_filter = ["action", "acted", "dry_run", "under_target", "policy", "model_version"]
    search_fields = [
        "id",
        "agent__logical_agent_id",
        "instance__instance_id",
        "reason",
        "command_id",
    ]
    list_select_related = ["agent", "client"]
    date_hierarchy = "at"


@admin.register(Blackout)
class BlackoutAdmin(Page):
    """Hours in which no decision moves anything."""

    list_display = ["__str__", "client", "agent", "starts_at", "ends_at", "repeats"]
    list_filter = ["repeats"]
    search_fields = ["note", "client__name", "agent__logical_agent_id"]
    autocomplete_fields = ["client", "agent"]
    list_select_related = ["client", "agent"]
