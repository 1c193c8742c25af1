"""The emergency path: interruptions, sagas and their journal, replicas, quarantined pools."""

import uuid

from django.db import models
from django.db.models import Q

from agents.models import Agent, Instance, Mode
from clients.models import Client
from pricing.models import Pool


class Saga(models.Model):
    """One move of a slot, or the standby that may become one; resumable by any process.

    At most one is active per agent: the database says so, and with it that no need is met twice.
    """

    class Trigger(models.TextChoices):
        PLANNED = "planned"
        REBALANCE = "rebalance"
        EMERGENCY = "emergency"
        MANUAL = "manual"

    class Goal(models.TextChoices):
        STANDBY = "standby"
        PROMOTE = "promote"

    class Status(models.TextChoices):
        PREPARING = "preparing"
        STANDING = "standing"
        QUIESCING = "quiescing"
        PROMOTING = "promoting"
        RETIRING = "retiring"
        DONE = "done"
        ABANDONING = "abandoning"
        ABANDONED = "abandoned"
        FAILED = "failed"

    ACTIVE = (Status.PREPARING, Status.STANDING, Status.QUIESCING, Status.PROMOTING)
    OPEN = (*ACTIVE, Status.RETIRING, Status.ABANDONING)
    ENDED_WITHOUT = (Status.ABANDONED, Status.FAILED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="sagas")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="sagas")
    trigger = models.CharField(max_length=16, choices=Trigger)
    goal = models.CharField(max_length=16, choices=Goal)
    status = models.CharField(max_length=16, choices=Status, default=Status.PREPARING)
    reason = models.CharField(max_length=200)
    old_instance = models.ForeignKey(
        Instance, on_delete=models.PROTECT, null=True, related_name="sagas_away"
    )
    # Where a person or a decision has named the place; empty: the policy chooses.
    wanted_pool = models.ForeignKey(Pool, on_delete=models.PROTECT, null=True, blank=True)
    wanted_mode = models.CharField(max_length=16, choices=Mode, blank=True)
    command_id = models.UUIDField(null=True, blank=True, help_text="The switch it serves.")
    retire_old = models.BooleanField(default=True)
    keep_alive = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    deadline = models.DateTimeField(null=True, blank=True, help_text="When the old machine goes.")
    quiesce_until = models.DateTimeField(null=True, blank=True)
    promoted_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=300, blank=True)

    # Who works on it, and when somebody must look again.
    lease_owner = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    pokes = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["agent"],
                condition=Q(status__in=("preparing", "standing", "quiescing", "promoting")),
                name="one_active_saga_per_agent",
            )
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=~Q(status__in=("done", "abandoned", "failed")),
                name="sagas_due",
            )
        ]

    def __str__(self) -> str:
        return f"{self.trigger} of {self.agent}: {self.status}"


class Replica(models.Model):
    """One machine wanted by a saga: the row is the intent, committed before EC2 is asked.

    `status` is written by `replicas.lifecycle` alone.
    """

    class Type(models.TextChoices):
        MANUAL = "manual"
        AUTOMATIC = "automatic"
        EMERGENCY = "emergency"
        SWITCH = "switch"

    class Status(models.TextChoices):
        LAUNCHING = "launching"
        SYNCING = "syncing"
        READY = "ready"
        PROMOTING = "promoting"
        PROMOTED = "promoted"
        TERMINATING = "terminating"
        TERMINATED = "terminated"
        FAILED = "failed"

    LIVE = (Status.LAUNCHING, Status.SYNCING, Status.READY, Status.PROMOTING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="replicas")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="replicas")
    saga = models.ForeignKey(Saga, on_delete=models.CASCADE, related_name="replicas")
    replica_type = models.CharField(max_length=16, choices=Type)
    status = models.CharField(max_length=16, choices=Status, default=Status.LAUNCHING)
    mode = models.CharField(max_length=16, choices=Mode, default=Mode.SPOT)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="replicas")
    attempt = models.PositiveSmallIntegerField(default=1)
    instance = models.OneToOneField(
        Instance, on_delete=models.SET_NULL, null=True, blank=True, related_name="replica"
    )
    sync_status = models.CharField(max_length=16, blank=True)
    last_sync_at = models.DateTimeField(null=True, blank=True)
    lag_seconds = models.FloatField(null=True, blank=True)
    created_at = models.DateTimeField()
    launched_at = models.DateTimeField(null=True, blank=True)
    registered_at = models.DateTimeField(null=True, blank=True)
    ready_at = models.DateTimeField(null=True, blank=True)
    promoted_at = models.DateTimeField(null=True, blank=True)
    terminated_at = models.DateTimeField(null=True, blank=True)
    give_up_at = models.DateTimeField(
        null=True, blank=True, help_text="Not registered or synced by then: another is tried."
    )
    failure = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["saga"],
                condition=Q(status__in=("launching", "syncing", "ready", "promoting")),
                name="one_live_replica_per_saga",
            )
        ]
        indexes = [models.Index(fields=["agent", "-created_at"], name="replicas_of_an_agent")]

    def __str__(self) -> str:
        return f"{self.replica_type} replica {str(self.id)[:8]}"


class Step(models.Model):
    """One entry of a saga's journal: the intent, the key that makes it idempotent, the outcome."""

    class Outcome(models.TextChoices):
        INTENDED = "intended"
        DONE = "done"
        REFUSED = "refused"
        UNKNOWN = "unknown"

    saga = models.ForeignKey(Saga, on_delete=models.CASCADE, related_name="steps")
    replica = models.ForeignKey(Replica, on_delete=models.CASCADE, null=True, related_name="steps")
    name = models.CharField(max_length=24)
    attempt = models.PositiveSmallIntegerField(default=1)
    key = models.CharField(max_length=64, blank=True, help_text="EC2's ClientToken, for a launch.")
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, null=True, blank=True)
    mode = models.CharField(max_length=16, choices=Mode, blank=True)
    outcome = models.CharField(max_length=16, choices=Outcome, default=Outcome.INTENDED)
    detail = models.JSONField(default=dict, blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["started_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["saga", "name", "attempt"], name="one_step_per_attempt"
            ),
            models.UniqueConstraint(
                fields=["key"], condition=~Q(key=""), name="launch_key_is_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} #{self.attempt}: {self.outcome}"


class InterruptionEvent(models.Model):
    """A signal that an instance is going, or may be; created once, however often it is heard."""

    class Kind(models.TextChoices):
        NOTICE = "notice"
        REBALANCE = "rebalance"
        DEATH = "death"

    class Action(models.TextChoices):
        PROMOTED = "promoted_replica"
        CREATED = "created_emergency_replica"
        ON_DEMAND = "launched_on_demand"
        RECORDED = "recorded_only"
        FAILED = "failed"

    class Channel(models.TextChoices):
        AGENT = "agent"
        EVENTBRIDGE = "eventbridge"
        STATE = "state"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="interruptions")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="interruptions")
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="interruptions")
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="interruptions")
    kind = models.CharField(max_length=16, choices=Kind)
    key = models.CharField(max_length=64, help_text="Identity of the signal on its instance.")
    channel = models.CharField(max_length=16, choices=Channel, default=Channel.AGENT)
    termination_time = models.DateTimeField(null=True, blank=True)
    detected_at = models.DateTimeField()
    received_at = models.DateTimeField()
    acted_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    action_taken = models.CharField(max_length=32, choices=Action, blank=True)
    explanation = models.CharField(max_length=300, blank=True)
    risk_score = models.FloatField(null=True, blank=True)
    saga = models.ForeignKey(
        Saga, on_delete=models.SET_NULL, null=True, blank=True, related_name="interruptions"
    )
    new_instance = models.ForeignKey(
        Instance, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    times_heard = models.PositiveIntegerField(default=1)
    features = models.JSONField(default=dict, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-received_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["instance", "kind", "key"], name="same_signal_once")
        ]
        indexes = [
            models.Index(fields=["pool", "-received_at"], name="interruptions_of_a_pool"),
            models.Index(fields=["client", "-received_at"], name="interruptions_of_a_client"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.instance}"


class Sighting(models.Model):
    """Which channel saw a signal, and when: the first acts, the others are counted."""

    event = models.ForeignKey(InterruptionEvent, on_delete=models.CASCADE, related_name="sightings")
    channel = models.CharField(max_length=16, choices=InterruptionEvent.Channel)
    first_at = models.DateTimeField()
    times = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event", "channel"], name="one_sighting_per_channel")
        ]

    def __str__(self) -> str:
        return f"{self.channel} at {self.first_at:%H:%M:%S}"


class Quarantine(models.Model):
    """A pool that refused a launch lately, and until when it is passed over."""

    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="quarantines")
    mode = models.CharField(max_length=16, choices=Mode)
    until = models.DateTimeField()
    strikes = models.PositiveSmallIntegerField(default=1)
    code = models.CharField(max_length=80)
    struck_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pool", "mode"], name="one_quarantine_per_pool")
        ]

    def __str__(self) -> str:
        return f"{self.pool_id} until {self.until:%H:%M:%S}"


class Snapshot(models.Model):
    """What a replacement needs from its predecessor: configuration, state, the last day's prices."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="snapshots")
    event = models.OneToOneField(
        InterruptionEvent, on_delete=models.CASCADE, related_name="snapshot"
    )
    document = models.JSONField()
    created_at = models.DateTimeField()
    fetched_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"snapshot of {self.agent} at {self.created_at:%Y-%m-%d %H:%M:%S}"
