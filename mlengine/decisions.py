"""The decision cycle: look at every slot, decide, keep each decision, order the moves.

Everything is read at once for all slots. One run at a time, whatever the number of processes: a transaction's
advisory lock, which holds behind a pooler too and ends with the process. Decisions and the commands they led
to are committed together.
"""

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import connection, transaction

from agents import commands
from agents.models import Command
from clients import feed
from mlengine import fleet, policies, reach, records, situations
from mlengine.fleet import Facts, Slot
from mlengine.models import Decision
from mlengine.policies import Policy
from mlengine.situation import Situation

log = logging.getLogger(__name__)

LOCK = "spotopt decision cycle"
# Two cycles: what is not carried out by then is decided anew, at the prices of the day.
SWITCH_LIFETIME = timedelta(minutes=30)
ROWS_AT_ONCE = 5000
Action = Decision.Action
CAUSES = {Action.SWITCH: "cost_optimization", Action.ON_DEMAND: "high_risk"}


@dataclass
class Cycle:
    """What a run came to. `ran`: no other was at it. `dry`: moves that a dry run kept from being ordered."""

    ran: bool = True
    slots: int = 0
    switches: int = 0
    on_demand: int = 0
    dry: int = 0
    under_target: int = 0
    failed: int = 0

    def __str__(self) -> str:
        if not self.ran:
            return "another run is at it"
        return (
            f"{self.slots} slots, {self.under_target} under target: {self.switches} switches and"
            f" {self.on_demand} moves on demand ordered, {self.dry} in dry run, {self.failed} failed"
        )


def run_cycle(*, now: datetime) -> Cycle:
    """Decide about every live slot, unless another run is at it.

    At most 30 statements however many slots there are, and a fixed few for each move that is ordered. What
    goes wrong with one slot is logged and kept in its decision's place; the others' go on.
    """
    clients = fleet.clients_of_live_agents()
    numbers = reach.account_numbers(clients.values())
    with transaction.atomic():
        if not _alone():
            return Cycle(ran=False)
        slots = fleet.slots(clients)
        return _decide_all(slots, numbers, policy=policies.active(), now=now)


def _alone() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [LOCK])
        return bool(cursor.fetchone()[0])


def _decide_all(
    slots: Sequence[Slot], numbers: Mapping[uuid.UUID, str], *, policy: Policy, now: datetime
) -> Cycle:
    facts = fleet.facts(now=now)
    scene = situations.read(slots, numbers=numbers, now=now)
    seen: list[tuple[Slot, Situation]] = []
    rows: list[Decision] = []
    for slot in slots:
        try:
            state = facts.state_of(slot, connected=slot.client.pk in numbers)
            seen.append((slot, replace(scene.of(slot), state=state)))
        except Exception:
            log.exception("the situation of agent %s cannot be told", slot.agent.pk)
            rows.append(records.broken(slot, policy=policy, now=now))
    # Where a cap leaves room for few, those who miss their target most come first.
    seen.sort(key=lambda row: _need(row[1]))
    rows += [_decide(slot, situation, policy=policy, facts=facts) for slot, situation in seen]
    Decision.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)
    return _sum(rows)


def _need(situation: Situation) -> tuple[bool, float]:
    return situation.under_target is not True, situation.saving_now or 0.0


def _decide(slot: Slot, situation: Situation, *, policy: Policy, facts: Facts) -> Decision:
    """The row, unsaved, and its command."""
    try:
        # What was ordered in this very run takes its room.
        state = replace(situation.state, room=facts.room(slot.client))
        situation = replace(situation, state=state)
        row = records.row(slot, situation, policy.decide(situation), policy=policy)
        if row.action != Action.STAY and not row.dry_run:
            with transaction.atomic():
                _order(row, slot)
            facts.machines[slot.client.pk] += row.acted
    except Exception:
        log.exception("agent %s cannot be decided about", slot.agent.pk)
        return records.broken(slot, policy=policy, now=situation.now)
    return row


def _order(row: Decision, slot: Slot) -> None:
    """Ask the agent to move. Somebody who asked first, since we looked, is left to it."""
    primary = slot.primary
    if primary is None:
        return
    command = commands.issue(
        agent=slot.agent,
        instance=primary,
        command_type=Command.Type.SWITCH,
        priority=Command.Priority.DECISION,
        parameters={
            "target_pool_id": row.target_pool_id,
            "target_mode": row.target_mode,
            "reason": CAUSES[Action(row.action)],
            "decision_id": str(row.pk),
        },
        now=row.at,
        lifetime=SWITCH_LIFETIME,
    )
    if command.parameters.get("decision_id") != str(row.pk):
        row.reason += "; not ordered: another switch was, at the same time"
        return
    row.acted, row.command_id = True, command.pk
    feed.record(
        client_id=row.client_id,
        agent_id=row.agent_id,
        event_type="switch_decided",
        severity="info",
        message=f"Agent {slot.agent} moves: {row.reason}",
        now=row.at,
    )


def _sum(rows: Sequence[Decision]) -> Cycle:
    return Cycle(
        slots=len(rows),
        switches=sum(row.acted and row.action == Action.SWITCH for row in rows),
        on_demand=sum(row.acted and row.action == Action.ON_DEMAND for row in rows),
        dry=sum(row.dry_run and row.action != Action.STAY for row in rows),
        under_target=sum(row.under_target is True for row in rows),
        failed=sum(row.reason == records.BROKEN for row in rows),
    )
