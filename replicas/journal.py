"""The journal of a saga: each step's intent before the deed, and its outcome after."""

import hashlib
from datetime import datetime
from typing import Any

from django.db.models import Max

from replicas.models import Replica, Saga, Step


def client_token(*, saga: Saga, attempt: int, pool_id: str, mode: str) -> str:
    """EC2's ClientToken for a launch: 64 characters, the same whoever derives it."""
    text = f"{saga.id}:launch:{attempt}:{pool_id}:{mode}"
    return hashlib.sha256(text.encode()).hexdigest()


def next_attempt(saga: Saga, name: str) -> int:
    """One more than the attempts this step has had."""
    latest = saga.steps.filter(name=name).aggregate(latest=Max("attempt"))["latest"]
    return int(latest or 0) + 1


def intend(
    saga: Saga,
    name: str,
    *,
    now: datetime,
    replica: Replica | None = None,
    detail: dict[str, Any] | None = None,
) -> Step:
    """Write that this is about to be done; a step left open by a crash is taken up, not doubled."""
    unfinished = (
        saga.steps.filter(name=name, outcome__in=(Step.Outcome.INTENDED, Step.Outcome.UNKNOWN))
        .order_by("-attempt")
        .first()
    )
    if unfinished is not None:
        return unfinished
    return Step.objects.create(
        saga=saga,
        replica=replica,
        name=name,
        attempt=next_attempt(saga, name),
        started_at=now,
        detail=detail or {},
    )


def end(step: Step, outcome: Step.Outcome, *, now: datetime, **detail: Any) -> None:
    """Write what came of it; `detail` is added to what the intent said."""
    step.outcome = outcome
    step.ended_at = now
    step.detail = {**step.detail, **detail}
    step.save(update_fields=["outcome", "ended_at", "detail"])


def done_already(saga: Saga, name: str) -> bool:
    """Whether this step has been completed before."""
    return saga.steps.filter(name=name, outcome=Step.Outcome.DONE).exists()
