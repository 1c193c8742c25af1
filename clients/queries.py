"""Reads of tenants, for lists and pages."""

from django.db.models import Count, Q, QuerySet

from clients.models import Client


def overview() -> QuerySet[Client]:
    """All clients by name, each with `active_agents`: how many of its agents are online."""
    return Client.objects.annotate(
        active_agents=Count("agents", filter=Q(agents__status="online"))
    ).order_by("name", "pk")
