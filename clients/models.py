"""Tenants, the people in them, their tokens, and what is told to them."""

import uuid

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

Percent = [MinValueValidator(0), MaxValueValidator(100)]


class Installation(models.Model):
    """This installation: one row. Its id is in the tags of all that it launches."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    only = models.BooleanField(default=True, unique=True, editable=False)
    automation = models.BooleanField(
        default=True,
        help_text="The global stop: off means that emergencies are recorded, not acted on.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(only=True), name="installation_is_one")]

    def __str__(self) -> str:
        return f"installation {self.id}"


class Client(models.Model):
    """A tenant: whose machines these are, and on what terms they are managed."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        DELETING = "deleting"

    class ImagePolicy(models.TextChoices):
        OWN = "own", "the primary's own image"
        FIXED = "fixed", "the image named here"
        SNAPSHOT = "snapshot", "an image taken of the primary now and then"

    class StandbyPolicy(models.TextChoices):
        OFF = "off"
        ADAPTIVE = "adaptive"
        ALWAYS = "always"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    email = models.EmailField()
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)

    # What a new agent of this client starts with.
    target_savings_percent = models.PositiveSmallIntegerField(default=50, validators=Percent)
    max_switches_per_day = models.PositiveSmallIntegerField(default=3)

    # Rails that always hold.
    agent_limit = models.PositiveIntegerField(default=100)
    max_instances = models.PositiveIntegerField(default=200)
    max_usd_per_hour = models.DecimalField(max_digits=10, decimal_places=2, default=100)
    automation = models.BooleanField(default=True)
    dry_run = models.BooleanField(default=False)
    standby_policy = models.CharField(
        max_length=16, choices=StandbyPolicy, default=StandbyPolicy.ADAPTIVE
    )
    outage_cost_per_hour = models.DecimalField(max_digits=10, decimal_places=2, default=1)
    allowed_types = models.JSONField(default=list, blank=True)

    # The AWS connection; without a role the server's own account serves, where it may.
    aws_role_arn = models.CharField(max_length=200, blank=True)
    aws_external_id = models.CharField(max_length=64, default=uuid.uuid4)
    aws_regions = models.JSONField(default=list, blank=True)
    aws_subnets = models.JSONField(
        default=dict,
        blank=True,
        help_text="Subnet by availability-zone id; the default one if absent.",
    )

    aws_queues = models.JSONField(
        default=dict,
        blank=True,
        help_text="SQS queue URL by region, fed by EventBridge: a second ear for interruptions.",
    )
    tag_machines = models.BooleanField(
        default=True,
        help_text="Consent to tag machines that enrol, so that they may be terminated after a move.",
    )

    # How its replicas are launched.
    launch_template = models.CharField(max_length=64, blank=True)
    image_policy = models.CharField(max_length=16, choices=ImagePolicy, default=ImagePolicy.OWN)
    image_id = models.CharField(
        max_length=64, blank=True, help_text="Of the policy `fixed`: launched in place of its own."
    )
    image_every_hours = models.PositiveSmallIntegerField(
        default=24, validators=[MinValueValidator(1)], help_text="Of the policy `snapshot`."
    )
    images_kept = models.PositiveSmallIntegerField(
        default=3, validators=[MinValueValidator(1)], help_text="Newest images of each agent."
    )
    image_days_kept = models.PositiveSmallIntegerField(
        default=30, validators=[MinValueValidator(1)], help_text="Older ones go, save the newest."
    )
    user_data = models.TextField(
        blank=True, help_text="A shell script run at boot, before the agent starts."
    )

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person's role in a client."""

    class Role(models.TextChoices):
        OWNER = "owner"
        OPERATOR = "operator"
        VIEWER = "viewer"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role, default=Role.VIEWER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "client"], name="one_membership_per_client")
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.client}"


class Invitation(models.Model):
    """A single-use link by which a person joins a client; `clients.invitations` makes and checks it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=16, choices=Membership.Role)
    invited_by = models.CharField(max_length=150)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    used_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )

    class Meta:
        ordering = ["-created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["client", "email"],
                condition=Q(used_at=None),
                name="one_open_invitation_per_address",
            )
        ]

    def __str__(self) -> str:
        return f"{self.email} as {self.role} of {self.client}"


class Token(models.Model):
    """A credential, known by the HMAC of its text; written by `clients.tokens` alone."""

    class Kind(models.TextChoices):
        AGENT = "agent"
        CLIENT = "client"
        ENROLMENT = "enrolment"
        STAFF = "staff"

    kind = models.CharField(max_length=16, choices=Kind)
    prefix = models.CharField(
        max_length=16, help_text="The first characters, to tell tokens apart."
    )
    digest = models.CharField(max_length=64, unique=True)
    sealed = models.TextField(blank=True, help_text="The client token, encrypted; empty otherwise.")
    client = models.ForeignKey(Client, on_delete=models.CASCADE, null=True, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True
    )
    # Bare ids: this app stands below the ones that have these rows.
    agent_id = models.UUIDField(null=True, blank=True)
    instance_id = models.CharField(max_length=32, blank=True)
    replica_id = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["client"], condition=Q(kind="client"), name="one_client_token_per_client"
            ),
            models.CheckConstraint(
                condition=Q(kind="staff", user__isnull=False) | Q(client__isnull=False),
                name="token_has_an_owner",
            ),
        ]
        indexes = [models.Index(fields=["agent_id", "instance_id"], name="token_by_machine")]

    def __str__(self) -> str:
        return f"{self.kind} token {self.prefix}…"


class FeedEvent(models.Model):
    """Something that happened and that people may want to see; append-only."""

    class Severity(models.TextChoices):
        INFO = "info"
        WARNING = "warning"
        ERROR = "error"
        CRITICAL = "critical"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(
        Client, on_delete=models.CASCADE, null=True, blank=True, related_name="feed_events"
    )
    agent_id = models.UUIDField(null=True, blank=True)
    event_type = models.CharField(max_length=40)
    severity = models.CharField(max_length=16, choices=Severity, default=Severity.INFO)
    message = models.CharField(max_length=500)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["client", "-created_at"], name="feed_of_a_client"),
            models.Index(fields=["-created_at"], name="feed_of_all"),
        ]

    def __str__(self) -> str:
        return self.message
