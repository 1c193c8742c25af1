"""An agent's settings: what its machine is told, and how people change them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F

from agents import commands, configuration_rules, instances
from agents.models import Agent, Command
from clients import feed
from spotopt.lib.errors import Conflict

# How often the machine beats, reports prices, and asks the metadata service; seconds.
HEARTBEAT_SECONDS = 30
PRICE_REPORT_SECONDS = 300
METADATA_POLL_SECONDS = 2
UPDATE_LIFETIME = timedelta(days=1)
TOLD = (
    "enabled",
    "auto_switch_enabled",
    "auto_terminate_enabled",
    "manual_replica_enabled",
    "target_savings_percent",
    "max_switches_per_day",
    "cooldown_minutes",
    "min_savings_threshold",
    "max_risk_score",
    "quiesce_seconds",
    "sync_kind",
    "terminate_wait_seconds",
)


def read(agent: Agent, *, role: str) -> dict[str, Any]:
    """What a machine in this role is told; the wire's keys."""
    return {
        **{name: getattr(agent, name) for name in TOLD},
        "config_version": agent.config_version,
        "role": role,
        "heartbeat_seconds": HEARTBEAT_SECONDS,
        "price_report_seconds": PRICE_REPORT_SECONDS,
        "metadata_poll_seconds": METADATA_POLL_SECONDS,
    }


def update(*, agent: Agent, changes: Mapping[str, Any], by: str, now: datetime) -> Agent:
    """Change settings; `changes` may hold anything. All of it happens, or BadInput names what is wrong.

    A change counts up `config_version` and has the primary fetch its settings anew; setting what is set
    already does neither. `by` is who did it, for the activity feed.
    """
    wanted = configuration_rules.check(changes)
    with transaction.atomic():
        slot = Agent.objects.select_for_update(no_key=True).select_related(None).get(pk=agent.pk)
        if slot.status == Agent.Status.TERMINATED:
            raise Conflict("This agent is no longer managed: its settings are history.")
        configuration_rules.exclude(
            present={name: getattr(slot, name) for name in configuration_rules.EXCLUSIVE},
            changes=wanted,
        )
        news = {name: value for name, value in wanted.items() if getattr(slot, name) != value}
        if not news:
            return slot
        Agent.objects.filter(pk=slot.pk).update(config_version=F("config_version") + 1, **news)
        slot.refresh_from_db()
        _spread(slot, news=news, by=by, now=now)
    return slot


def _spread(agent: Agent, *, news: Mapping[str, Any], by: str, now: datetime) -> None:
    primary = instances.primary_of(agent)
    # One already delivered may have fetched the settings before this change: it does not stand for this one.
    commands.withdraw(agent=agent, command_types=(Command.Type.UPDATE_CONFIG,))
    if primary is not None:
        commands.issue(
            agent=agent,
            instance=primary,
            command_type=Command.Type.UPDATE_CONFIG,
            priority=Command.Priority.SCHEDULED,
            lifetime=UPDATE_LIFETIME,
            now=now,
        )
    settings = ", ".join(f"{name} = {value}" for name, value in news.items())
    feed.record(
        client_id=agent.client_id,
        agent_id=agent.pk,
        event_type="settings_changed",
        severity="info",
        message=f"{by} set {settings} for agent {agent}.",
        now=now,
    )
    feed.publish(client_id=agent.client_id, kind="agent", id=str(agent.pk), agent_id=agent.pk)
    # Manual mode, and being enabled at all, decide which standbys there should be.
    feed.wake_guard()
