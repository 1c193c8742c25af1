"""What the decision cycle decided, and the hours in which it may move nothing."""

import uuid

from django.db import models
from django.db.models import F, Q

from agents.models import Agent, Instance, Mode
from clients.models import Client
from pricing.models import Pool


class Decision(models.Model):
    """One look at one slot, whether it led to a move or not; append-only.

    `saving` is a share of what staying costs, `risk` that of the target (of the present machine where it
    stays), 0..1. `under_target` is null where a price is unknown.
    """

    class Action(models.TextChoices):
        STAY = "stay"
        SWITCH = "switch"
        ON_DEMAND = "on_demand"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="decisions")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="decisions")
    instance = models.ForeignKey(
        Instance, on_delete=models.SET_NULL, null=True, related_name="decisions"
    )
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, null=True, related_name="decisions")
    at = models.DateTimeField()
    policy = models.CharField(max_length=40)
    model_version = models.CharField(max_length=80, blank=True)
    action = models.CharField(max_length=16, choices=Action)
    target_pool = models.ForeignKey(
        Pool, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    target_mode = models.CharField(max_length=16, choices=Mode, blank=True)
    acted = models.BooleanField(default=False)
    dry_run = models.BooleanField(default=False)
    under_target = models.BooleanField(null=True, blank=True)
    saving = models.FloatField(null=True, blank=True)
    risk = models.FloatField(null=True, blank=True)
    inputs = models.JSONField(default=dict, blank=True)
    terms = models.JSONField(default=dict, blank=True)
    passed_over = models.JSONField(
        default=dict, blank=True, help_text="The reason against each pool that was not taken."
    )
    reason = models.TextField()
    command_id = models.UUIDField(null=True, blank=True)

    class Meta:
        ordering = ["-at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(acted=False) | Q(dry_run=False, command_id__isnull=False),
                name="an_acted_decision_has_a_command",
            ),
            models.CheckConstraint(
                condition=Q(action="stay", target_pool=None, acted=False)
                | (~Q(action="stay") & Q(target_pool__isnull=False)),
                name="a_move_has_a_target",
            ),
        ]
        indexes = [
            models.Index(fields=["client", "-at", "id"], name="decisions_of_a_client"),
            models.Index(fields=["agent", "-at", "id"], name="decisions_of_an_agent"),
            models.Index(
                fields=["client", "-at"], condition=Q(acted=True), name="decisions_that_acted"
            ),
            # One run's rows lie together: for retention.
            models.Index(fields=["at"], name="decisions_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.action} for {self.agent_id} at {self.at:%Y-%m-%d %H:%M}"


class Blackout(models.Model):
    """Maintenance: while it lasts no decision moves the slot, or any slot of the client. Emergencies do."""

    class Repeats(models.TextChoices):
        ONCE = "once"
        DAILY = "daily"
        WEEKLY = "weekly"

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="blackouts")
    agent = models.ForeignKey(
        Agent,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="blackouts",
        help_text="Empty: all of the client's.",
    )
    starts_at = models.DateTimeField(help_text="The first one, if it repeats; in UTC.")
    ends_at = models.DateTimeField()
    repeats = models.CharField(max_length=8, choices=Repeats, default=Repeats.ONCE)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["starts_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="a_blackout_ends_after_it_starts"
            )
        ]

    def __str__(self) -> str:
        return self.note or f"maintenance from {self.starts_at:%Y-%m-%d %H:%M}"
