"""Machines under management: slots, the instances in them, commands, switches."""

import uuid
from datetime import datetime

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from clients.models import Client, Percent
from pricing.models import Pool

Share = [MinValueValidator(0), MaxValueValidator(1)]


class Mode(models.TextChoices):
    """How an instance is bought."""

    SPOT = "spot"
    ON_DEMAND = "on-demand"


class AgentQuerySet(models.QuerySet["Agent"]):
    """Questions people ask about agents."""

    def live(self) -> "AgentQuerySet":
        """Slots still under management."""
        return self.exclude(status=Agent.Status.TERMINATED)

    def online(self) -> "AgentQuerySet":
        """Slots whose primary was heard lately."""
        return self.filter(status=Agent.Status.ONLINE)

    def silent(self, now: datetime) -> "AgentQuerySet":
        """Slots still called online whose primary has missed its time."""
        return self.online().filter(stale_after__lte=now)


class Agent(models.Model):
    """A workload's slot. Instances come and go in it; its id and configuration stay."""

    class Status(models.TextChoices):
        ONLINE = "online"
        OFFLINE = "offline"
        TERMINATED = "terminated"

    class SyncKind(models.TextChoices):
        NONE = "none"
        HOOK = "hook"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="agents")
    logical_agent_id = models.CharField(max_length=128, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    replaces = models.OneToOneField(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="replaced_by"
    )

    # Written by `agents.heartbeats` alone.
    status = models.CharField(max_length=16, choices=Status, default=Status.ONLINE)
    last_heartbeat_at = models.DateTimeField(null=True, blank=True)
    stale_after = models.DateTimeField(null=True, blank=True, db_index=True)
    state = models.JSONField(
        default=dict, blank=True, help_text="The workload's own state document, opaque to us."
    )
    state_at = models.DateTimeField(null=True, blank=True)

    # Configuration: written by people, through `agents.configuration`.
    enabled = models.BooleanField(default=True)
    auto_switch_enabled = models.BooleanField(default=True)
    auto_terminate_enabled = models.BooleanField(default=False)
    manual_replica_enabled = models.BooleanField(default=False)
    target_savings_percent = models.PositiveSmallIntegerField(default=50, validators=Percent)
    max_switches_per_day = models.PositiveSmallIntegerField(default=3)
    cooldown_minutes = models.PositiveIntegerField(default=120)
    min_savings_threshold = models.FloatField(default=0.30, validators=Share)
    max_risk_score = models.FloatField(default=0.30, validators=Share)
    terminate_wait_seconds = models.PositiveIntegerField(default=300)
    quiesce_seconds = models.PositiveSmallIntegerField(
        default=0, validators=[MaxValueValidator(90)]
    )
    sync_kind = models.CharField(max_length=8, choices=SyncKind, default=SyncKind.NONE)
    target_group_arn = models.CharField(max_length=300, blank=True)
    routing = models.JSONField(
        default=dict,
        blank=True,
        help_text="What else follows the primary: dns, elastic_ip, webhook.",
    )
    launch_template = models.CharField(
        max_length=64, blank=True, help_text="Its replicas' own; the client's if empty."
    )
    config_version = models.PositiveIntegerField(default=1)

    objects = AgentQuerySet.as_manager()

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["client", "logical_agent_id"],
                condition=~Q(logical_agent_id="") & ~Q(status="terminated"),
                name="one_live_agent_per_logical_id",
            ),
            models.CheckConstraint(
                condition=~Q(auto_switch_enabled=True, manual_replica_enabled=True),
                name="auto_switch_excludes_manual_replica",
            ),
        ]
        indexes = [models.Index(fields=["client", "status"], name="agents_of_a_client")]

    def __str__(self) -> str:
        return self.logical_agent_id or str(self.id)[:8]


class InstanceQuerySet(models.QuerySet["Instance"]):
    """Questions people ask about instances."""

    def primary(self) -> "InstanceQuerySet":
        """The one that serves, for each slot."""
        return self.filter(role=Instance.Role.PRIMARY)

    def billing(self) -> "InstanceQuerySet":
        """Those EC2 has not confirmed to be gone."""
        return self.filter(terminated_at=None)

    def leaving_volumes(self) -> "InstanceQuerySet":
        """Those with disks that their termination does not delete (`launch_facts.volumes_left`)."""
        return self.filter(launch_facts__has_key="volumes_left")


class Instance(models.Model):
    """One EC2 instance in a slot. `role` says what it is to the slot, and changes in one place."""

    class Role(models.TextChoices):
        PRIMARY = "primary"
        STANDBY = "standby"
        SUPERSEDED = "superseded"
        RELEASED = "released"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="instances")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="instances")
    instance_id = models.CharField(max_length=32, help_text="EC2's id.")
    role = models.CharField(max_length=16, choices=Role)
    mode = models.CharField(max_length=16, choices=Mode)
    instance_type = models.CharField(max_length=32)
    region = models.CharField(max_length=24)
    az_name = models.CharField(max_length=24, blank=True)
    az_id = models.CharField(max_length=24)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="instances")
    private_ip = models.GenericIPAddressField(null=True, blank=True)
    image_id = models.CharField(max_length=64, blank=True)
    launch_facts = models.JSONField(
        default=dict,
        blank=True,
        help_text="How it was launched, as EC2 tells it: a machine in its place is launched alike.",
    )
    verified = models.BooleanField(
        default=False, help_text="EC2 knows it, in the client's account."
    )
    ours = models.BooleanField(default=False, help_text="Launched by us, or tagged with consent.")
    launched_at = models.DateTimeField(null=True, blank=True)
    registered_at = models.DateTimeField(null=True, blank=True)
    superseded_at = models.DateTimeField(null=True, blank=True)
    retire_asked_at = models.DateTimeField(null=True, blank=True)
    terminated_at = models.DateTimeField(
        null=True, blank=True, help_text="When EC2 confirmed that it is gone."
    )

    # Written by `agents.heartbeats` alone.
    last_heartbeat_at = models.DateTimeField(null=True, blank=True)
    suspect_after = models.DateTimeField(null=True, blank=True, db_index=True)
    uptime_seconds = models.PositiveBigIntegerField(default=0)
    metrics = models.JSONField(default=dict, blank=True)
    metrics_at = models.DateTimeField(null=True, blank=True)
    hooks = models.JSONField(default=list, blank=True)
    agent_version = models.CharField(max_length=32, blank=True)

    objects = InstanceQuerySet.as_manager()

    class Meta:
        ordering = ["-launched_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["client", "instance_id"], name="instance_is_unique_in_client"
            ),
            models.UniqueConstraint(
                fields=["agent"], condition=Q(role="primary"), name="one_primary_per_agent"
            ),
        ]
        indexes = [
            models.Index(
                fields=["region"], condition=Q(terminated_at=None), name="instances_that_may_bill"
            )
        ]

    def __str__(self) -> str:
        return self.instance_id


class MachineImage(models.Model):
    """An image that we took of a slot's primary; written by `replicas.images` alone."""

    class Status(models.TextChoices):
        WANTED = "wanted"
        PENDING = "pending"
        AVAILABLE = "available"
        FAILED = "failed"
        DELETED = "deleted"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="machine_images")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="machine_images")
    instance_id = models.CharField(max_length=32, help_text="The machine it was taken of.")
    region = models.CharField(max_length=24)
    image_id = models.CharField(max_length=64, blank=True)
    status = models.CharField(max_length=16, choices=Status, default=Status.WANTED)
    created_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["agent"],
                condition=Q(status__in=("wanted", "pending")),
                name="one_image_in_the_making_per_agent",
            )
        ]

    def __str__(self) -> str:
        return self.image_id or f"image of {self.instance_id}"


class Command(models.Model):
    """Something an agent is asked to do; written by `agents.commands` alone."""

    class Type(models.TextChoices):
        SWITCH = "switch"
        PROMOTE = "promote"
        TERMINATE = "terminate"
        UPDATE_CONFIG = "update_config"
        RUN_SYNC = "run_sync"

    class Status(models.TextChoices):
        PENDING = "pending"
        DELIVERED = "delivered"
        EXECUTED = "executed"
        FAILED = "failed"
        EXPIRED = "expired"

    class Priority(models.IntegerChoices):
        EMERGENCY = 100
        MANUAL = 75
        URGENT = 50
        DECISION = 25
        SCHEDULED = 10

    OPEN = (Status.PENDING, Status.DELIVERED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="commands")
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="commands")
    command_type = models.CharField(max_length=16, choices=Type)
    priority = models.PositiveSmallIntegerField(choices=Priority)
    parameters = models.JSONField(default=dict, blank=True)
    dedupe_key = models.CharField(max_length=120)
    status = models.CharField(max_length=16, choices=Status, default=Status.PENDING)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True, blank=True)
    executed_at = models.DateTimeField(null=True, blank=True)
    result = models.JSONField(default=dict, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-priority", "created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "dedupe_key"],
                condition=Q(status__in=("pending", "delivered")),
                name="one_open_command_per_need",
            )
        ]
        indexes = [
            models.Index(
                fields=["instance", "-priority", "created_at"],
                condition=Q(status__in=("pending", "delivered")),
                name="open_commands",
            )
        ]

    def __str__(self) -> str:
        return f"{self.command_type} for {self.instance}"


class Switch(models.Model):
    """One completed move of a slot from one instance to the next; append-only."""

    class Type(models.TextChoices):
        PLANNED = "planned"
        REBALANCE = "rebalance"
        EMERGENCY = "emergency_termination"
        MANUAL = "manual_replica_promotion"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="switches")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="switches")
    switch_type = models.CharField(max_length=32, choices=Type)
    reason = models.CharField(max_length=200)
    from_instance = models.ForeignKey(
        Instance, on_delete=models.PROTECT, related_name="switches_away", null=True
    )
    to_instance = models.OneToOneField(
        Instance, on_delete=models.PROTECT, related_name="switch_here"
    )
    # Prices per hour at the moment of the switch, USD; null where unknown.
    from_price = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    to_price = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    on_demand_price = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    started_at = models.DateTimeField()
    executed_at = models.DateTimeField()
    workload_stopped_at = models.DateTimeField(null=True, blank=True)
    workload_started_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-executed_at", "id"]
        verbose_name_plural = "switches"
        indexes = [
            models.Index(fields=["client", "-executed_at"], name="switches_of_a_client"),
            models.Index(fields=["agent", "-executed_at"], name="switches_of_an_agent"),
        ]

    def __str__(self) -> str:
        return f"{self.agent}: {self.from_instance} → {self.to_instance}"

    @property
    def duration_seconds(self) -> float:
        """From the decision to the completed promotion."""
        return (self.executed_at - self.started_at).total_seconds()

    @property
    def downtime_seconds(self) -> float | None:
        """Between the workload's stop and its start, as the agents saw them; None until both are known."""
        if self.workload_started_at is None or self.workload_stopped_at is None:
            return None
        return max(0.0, (self.workload_started_at - self.workload_stopped_at).total_seconds())


class AgentEvent(models.Model):
    """What an agent saw on its machine; the id is made where the event is born."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="events")
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="events")
    event_id = models.CharField(max_length=128)
    kind = models.CharField(max_length=40)
    at = models.DateTimeField()
    data = models.JSONField(default=dict, blank=True)
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["instance", "event_id"], name="agent_event_once")
        ]
        indexes = [models.Index(fields=["agent", "-at"], name="events_of_an_agent")]

    def __str__(self) -> str:
        return f"{self.kind} on {self.instance}"
