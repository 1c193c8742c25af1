"""Agents in the admin: settings are changed by the same rules as everywhere; histories are read-only."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from agents import configuration, configuration_rules, registration, webhooks
from agents.models import Agent, AgentEvent, Command, Instance, Switch
from spotopt.lib.errors import Refused


class AgentForm(forms.ModelForm[Agent]):
    """Checks the settings as the API does."""

    class Meta:
        model = Agent
        fields = tuple(configuration_rules.FIELDS)

    def clean(self) -> dict[str, Any]:
        """Complaints go to their fields."""
        cleaned = super().clean() or {}
        changed = {name: cleaned[name] for name in self.changed_data if name in cleaned}
        if not changed:
            return cleaned
        try:
            checked = configuration_rules.check(changed)
            # What both toggles will be is in the form, whichever of them was changed.
            configuration_rules.exclude(
                present=self.initial,
                changes=checked
                | {name: cleaned.get(name) for name in configuration_rules.EXCLUSIVE},
            )
        except Refused as error:
            for name, texts in error.errors.items():
                self.add_error(name, [forms.ValidationError(text) for text in texts])
        return cleaned


class ReadOnly(admin.ModelAdmin[Any]):
    """A history: looked at, never written here."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False


@admin.register(Agent)
class AgentAdmin(admin.ModelAdmin[Agent]):
    """Slots: their settings, through the domain."""

    form = AgentForm
    list_display = (
        "__str__",
        "client",
        "status",
        "enabled",
        "auto_switch_enabled",
        "manual_replica_enabled",
        "last_heartbeat_at",
    )
    list_filter = ("status", "enabled", "auto_switch_enabled", "manual_replica_enabled", "client")
    list_select_related = ("client",)
    search_fields = ("logical_agent_id", "id", "client__name", "instances__instance_id")
    readonly_fields = (
        "id",
        "client",
        "logical_agent_id",
        "replaces",
        "status",
        "created_at",
        "last_heartbeat_at",
        "state_at",
        "config_version",
        "webhook_secret",
    )
    fieldsets = (
        (None, {"fields": readonly_fields}),
        ("Settings", {"fields": tuple(configuration_rules.FIELDS)}),
    )
    actions = ("enable", "disable", "withdraw")

    @admin.display(description="Webhook secret")
    def webhook_secret(self, agent: Agent) -> str:
        """What the receiver of the slot's webhook checks signatures with."""
        return webhooks.secrets_of(agent)[0] if agent.routing.get("webhook") else "—"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Agents come by registration."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Agent | None = None) -> bool:
        """Agents are withdrawn, not deleted: their history stays."""
        return False

    def save_model(self, request: HttpRequest, obj: Agent, form: Any, change: bool) -> None:
        """One domain call with what was changed."""
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        if changes:
            self._update(request, obj, changes)

    def _update(self, request: HttpRequest, agent: Agent, changes: dict[str, Any]) -> bool:
        try:
            configuration.update(
                agent=agent, changes=changes, by=request.user.get_username(), now=timezone.now()
            )
        except Refused as error:
            self.message_user(request, f"{agent}: {error.message}", messages.ERROR)
            return False
        return True

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        """Let it act again."""
        done = sum(self._update(request, agent, {"enabled": True}) for agent in queryset)
        self.message_user(request, f"Enabled: {done}.")

    @admin.action(description="Disable: no automatic operations", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        """Stop all automatic operations of it."""
        done = sum(self._update(request, agent, {"enabled": False}) for agent in queryset)
        self.message_user(request, f"Disabled: {done}.")

    @admin.action(description="Withdraw: the machine runs on, unmanaged", permissions=["change"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        """Take it out of management."""
        done = 0
        for agent in queryset:
            try:
                registration.withdraw(agent=agent, now=timezone.now())
                done += 1
            except Refused as error:
                self.message_user(request, f"{agent}: {error.message}", messages.ERROR)
        self.message_user(request, f"Withdrawn: {done}.")


class LeavesVolumes(admin.SimpleListFilter):
    """Machines whose disks stay behind, and go on costing."""

    title = "volumes left behind"
    parameter_name = "volumes"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """One choice."""
        return [("left", "Some")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """By what was noted before their end."""
        if self.value() == "left":
            return queryset.filter(pk__in=Instance.objects.leaving_volumes().values("pk"))
        return queryset


@admin.register(Instance)
class InstanceAdmin(ReadOnly):
    """Machines, present and past."""

    list_display = (
        "instance_id",
        "agent",
        "client",
        "role",
        "mode",
        "pool",
        "verified",
        "last_heartbeat_at",
        "terminated_at",
    )
    list_filter = ("role", "mode", "verified", "ours", LeavesVolumes, "region", "client")
    list_select_related = ("agent", "client", "pool")
    search_fields = ("instance_id", "private_ip", "pool__pool_id", "agent__logical_agent_id")
    date_hierarchy = "launched_at"


@admin.register(Command)
class CommandAdmin(ReadOnly):
    """What machines were asked to do, and what came of it."""

    list_display = (
        "command_type",
        "instance",
        "agent",
        "priority",
        "status",
        "created_at",
        "executed_at",
    )
    list_filter = ("status", "command_type", "priority", "agent__client")
    list_select_related = ("instance", "agent")
    search_fields = ("id", "instance__instance_id", "agent__logical_agent_id", "error")
    date_hierarchy = "created_at"


@admin.register(Switch)
class SwitchAdmin(ReadOnly):
    """Completed moves."""

    list_display = (
        "agent",
        "client",
        "switch_type",
        "from_instance",
        "to_instance",
        "duration_seconds",
        "downtime_seconds",
        "executed_at",
    )
    list_filter = ("switch_type", "client")
    list_select_related = ("agent", "client", "from_instance", "to_instance")
    search_fields = ("from_instance__instance_id", "to_instance__instance_id", "reason")
    date_hierarchy = "executed_at"


@admin.register(AgentEvent)
class AgentEventAdmin(ReadOnly):
    """What agents saw."""

    list_display = ("kind", "instance", "agent", "at", "received_at")
    list_filter = ("kind", "agent__client")
    list_select_related = ("instance", "agent")
    search_fields = ("event_id", "instance__instance_id")
    date_hierarchy = "at"
