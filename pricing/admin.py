"""Market data in the admin: to look at, not to change."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from pricing.models import CleanPrice, OnDemandPrice, Pool, RawPrice, Zone

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Any]
else:  # generic for the type checker alone
    Base = admin.ModelAdmin


class ReadOnly(Base):
    """A history: nobody adds to it, changes it or deletes from it by hand."""

    list_per_page = 50
    show_full_result_count = False  # these tables are long

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never."""
        return False


@admin.register(Pool)
class PoolAdmin(ReadOnly):
    """Pools, with AWS's latest price."""

    list_display = ["pool_id", "instance_type", "az_id", "region", "spot_price", "spot_price_at"]
    list_filter = ["region", "product"]
    search_fields = ["pool_id"]


@admin.register(Zone)
class ZoneAdmin(ReadOnly):
    """What accounts call their zones."""

    list_display = ["az_name", "az_id", "region", "account", "seen_at"]
    list_filter = ["region"]
    search_fields = ["az_name", "az_id", "account"]
    ordering = ["account", "az_name"]


@admin.register(RawPrice)
class RawPriceAdmin(ReadOnly):
    """Prices as they were reported."""

    list_display = ["pool_id", "at", "price", "source", "instance_id", "client_id", "received_at"]
    list_filter = ["source"]
    search_fields = ["pool__pool_id", "instance_id"]
    ordering = ["-id"]


@admin.register(CleanPrice)
class CleanPriceAdmin(ReadOnly):
    """One price a pool and five minutes."""

    list_display = ["pool_id", "bucket", "price", "source", "flag", "confidence", "client_id"]
    list_filter = ["flag", "source"]
    search_fields = ["pool__pool_id"]
    ordering = ["-id"]


@admin.register(OnDemandPrice)
class OnDemandPriceAdmin(ReadOnly):
    """On-demand prices by date."""

    list_display = ["instance_type", "region", "price", "product", "effective_from"]
    list_filter = ["region", "product"]
    search_fields = ["instance_type"]
    ordering = ["instance_type", "region", "-effective_from"]
