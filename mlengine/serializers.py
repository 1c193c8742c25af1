"""Decisions on the wire."""

from typing import Any

from mlengine.models import Decision
from spotopt.lib.times import rfc3339

COLUMNS = (
    "decision_id", "timestamp", "agent_id", "instance_id", "policy", "model_version", "action", "acted",
    "dry_run", "from_pool_id", "to_pool_id", "to_mode", "savings_percent", "risk_score", "under_target",
    "reason", "command_id",
)  # fmt: skip


def decision(row: Decision) -> dict[str, Any]:
    """`savings_percent`: of what staying would cost; null where nothing was to move."""
    return {
        "decision_id": str(row.pk),
        "timestamp": rfc3339(row.at),
        "agent_id": str(row.agent_id),
        "instance_id": row.instance.instance_id if row.instance else None,
        "policy": row.policy,
        "model_version": row.model_version or None,
        "action": row.action,
        "acted": row.acted,
        "dry_run": row.dry_run,
        "from_pool_id": row.pool_id,
        "to_pool_id": row.target_pool_id,
        "to_mode": row.target_mode or None,
        "savings_percent": None if row.saving is None else round(100 * row.saving, 2),
        "risk_score": None if row.risk is None else round(row.risk, 4),
        "under_target": row.under_target,
        "reason": row.reason,
        "command_id": str(row.command_id) if row.command_id else None,
        "inputs": row.inputs,
        "terms": row.terms,
        "passed_over": row.passed_over,
    }
