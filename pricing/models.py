"""Pools, and what they cost: raw reports, clean series, on-demand prices."""

import uuid

from django.db import models
from django.db.models import Q

LINUX = "Linux/UNIX"


class PoolQuerySet(models.QuerySet["Pool"]):
    """Questions people ask about pools."""

    def siblings(self, pool: "Pool") -> "PoolQuerySet":
        """Pools of the same type, product and region in other zones."""
        return self.filter(
            instance_type=pool.instance_type, product=pool.product, region=pool.region
        ).exclude(az_id=pool.az_id)


class Pool(models.Model):
    """Spare capacity AWS sells as one: (instance type, availability-zone id, product).

    The key is readable: `t3.medium.use1-az4` for Linux, other products append their name.
    """

    pool_id = models.CharField(primary_key=True, max_length=80)
    instance_type = models.CharField(max_length=32)
    az_id = models.CharField(max_length=24)
    region = models.CharField(max_length=24)
    product = models.CharField(max_length=40, default=LINUX)
    # AWS's own latest word, the same for every account; written by `pricing.ingest`.
    spot_price = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    spot_price_at = models.DateTimeField(
        null=True, blank=True, help_text="When this price was last confirmed."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = PoolQuerySet.as_manager()

    class Meta:
        ordering = ["pool_id"]
        constraints = [
            models.UniqueConstraint(
                fields=["instance_type", "az_id", "product"], name="pool_is_unique"
            )
        ]
        indexes = [models.Index(fields=["region", "instance_type"], name="pool_by_region_type")]

    def __str__(self) -> str:
        return self.pool_id


class Zone(models.Model):
    """What an account calls a zone: names are shuffled per account, ids are the same for all."""

    account = models.CharField(max_length=16, help_text="AWS account number.")
    region = models.CharField(max_length=24)
    az_name = models.CharField(max_length=24)
    az_id = models.CharField(max_length=24)
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "az_name"], name="zone_name_is_unique"),
            models.UniqueConstraint(fields=["account", "az_id"], name="zone_id_is_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.az_name} is {self.az_id} in {self.account}"


class RawPrice(models.Model):
    """A price as somebody reported it; never changed afterwards."""

    class Source(models.TextChoices):
        """In the order of trust."""

        AWS = "aws"
        PRIMARY = "primary"
        AUTOMATIC_REPLICA = "automatic_replica"
        MANUAL_REPLICA = "manual_replica"

    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="raw_prices")
    at = models.DateTimeField()
    price = models.DecimalField(max_digits=12, decimal_places=6)
    source = models.CharField(max_length=20, choices=Source)
    # Whose agents said so; null for AWS's own history, which holds for everybody.
    client_id = models.UUIDField(null=True, blank=True)
    instance_id = models.CharField(max_length=32, blank=True)
    received_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["pool", "at", "source", "client_id", "instance_id"],
                nulls_distinct=False,
                name="same_report_once",
            ),
            models.CheckConstraint(condition=Q(price__gt=0), name="raw_price_is_positive"),
        ]
        indexes = [
            # AWS's few rows among the many that agents report.
            models.Index(
                fields=["pool", "-at"], condition=Q(source="aws"), name="aws_history_of_a_pool"
            )
        ]

    def __str__(self) -> str:
        return f"{self.pool_id} {self.price} at {self.at:%Y-%m-%d %H:%M}"


class CleanPrice(models.Model):
    """One price per pool and five-minute bucket; `client_id` is null where AWS's history backs it."""

    class Flag(models.TextChoices):
        NORMAL = "normal"
        AVERAGED = "averaged"
        INTERPOLATED = "interpolated"
        BACKFILLED = "backfilled"

    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="clean_prices")
    client_id = models.UUIDField(null=True, blank=True)
    bucket = models.DateTimeField(help_text="Start of the five minutes.")
    price = models.DecimalField(max_digits=12, decimal_places=6)
    source = models.CharField(max_length=20)
    flag = models.CharField(max_length=16, choices=Flag, default=Flag.NORMAL)
    confidence = models.FloatField(default=1.0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["pool", "bucket", "client_id"],
                nulls_distinct=False,
                name="one_clean_price_per_bucket",
            ),
            models.CheckConstraint(condition=Q(price__gt=0), name="clean_price_is_positive"),
        ]
        indexes = [
            models.Index(
                fields=["bucket"],
                condition=Q(client_id__isnull=False),
                name="clean_prices_from_agents",
            ),
            models.Index(
                fields=["pool", "client_id", "-bucket"],
                condition=Q(client_id__isnull=False),
                name="clean_prices_of_a_client",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pool_id} {self.price} in {self.bucket:%Y-%m-%d %H:%M}"


class OnDemandPrice(models.Model):
    """What a type costs on demand, from a date on."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    instance_type = models.CharField(max_length=32)
    region = models.CharField(max_length=24)
    product = models.CharField(max_length=40, default=LINUX)
    price = models.DecimalField(max_digits=12, decimal_places=6)
    effective_from = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["instance_type", "region", "product", "effective_from"],
                name="one_on_demand_price_per_date",
            ),
            models.CheckConstraint(condition=Q(price__gt=0), name="on_demand_price_is_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.instance_type} in {self.region}: {self.price}"
