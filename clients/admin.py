"""Tenants, people's roles, tokens, the feed and the global stop, in the admin."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers

from clients import connection, installation, invitations, people, tenants, tokens
from clients.models import Client, FeedEvent, Installation, Invitation, Membership, Token
from spotopt.cloud import permissions
from spotopt.cloud.errors import CloudError
from spotopt.lib.admin import Page, ReadOnly, Rows
from spotopt.lib.errors import Refused


class MembershipRows(Rows):
    """The people of a client."""

    model = Membership
    extra = 0
    autocomplete_fields = ["user"]


@admin.register(Client)
class ClientAdmin(Page):
    """Tenants. They are deleted through the API, which sees to their machines first."""

    list_display = [
        "name",
        "email",
        "status",
        "automation",
        "dry_run",
        "standby_policy",
        "created_at",
    ]
    list_filter = ["status", "automation", "dry_run", "standby_policy"]
    search_fields = ["name", "email", "id"]
    date_hierarchy = "created_at"
    readonly_fields = ["id", "status", "aws_external_id", "created_at"]
    inlines = [MembershipRows]
    actions = ["show_token", "regenerate_token", "invite_owner", "check_connection"]
    fieldsets = [
        (None, {"fields": ["name", "email", "id", "status", "created_at"]}),
        ("New agents", {"fields": ["target_savings_percent", "max_switches_per_day"]}),
        (
            "Rails",
            {
                "fields": [
                    "automation", "dry_run", "standby_policy", "outage_cost_per_hour", "agent_limit",
                    "max_instances", "max_usd_per_hour", "allowed_types",
                ]
            },
        ),
        (
            "AWS",
            {
                "fields": [
                    "aws_role_arn", "aws_external_id", "aws_regions", "aws_subnets", "aws_queues",
                    "tag_machines",
                ]
            },
        ),
        (
            "Launching",
            {
                "fields": [
                    "launch_template", "image_policy", "image_id", "image_every_hours", "images_kept",
                    "image_days_kept", "user_data",
                ]
            },
        ),
    ]  # fmt: skip

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: its standbys would go on, and be billed, with nobody to know them."""
        return False

    def save_model(self, request: HttpRequest, obj: Client, form: Any, change: bool) -> None:
        """A new client gets its token, as from the API."""
        super().save_model(request, obj, form, change)
        if not change:
            tenants.open_account(client=obj, by=name_of(request), now=timezone.now())

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Open pages follow a change of roles."""
        super().save_related(request, form, formsets, change)
        people.changed(client=form.instance)

    @admin.action(description="Show the token (on record)", permissions=["change"])
    def show_token(self, request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse | None:
        """A page with the tokens, made for this one answer."""
        return self._page(request, queryset, tenants.show_token, "Client tokens")

    @admin.action(
        description="Replace the token: the old one stops at once", permissions=["change"]
    )
    def regenerate_token(
        self, request: HttpRequest, queryset: QuerySet[Client]
    ) -> HttpResponse | None:
        """A page with the new tokens."""
        return self._page(request, queryset, tenants.regenerate_token, "New client tokens")

    @admin.action(description="Invite its e-mail address as owner", permissions=["change"])
    def invite_owner(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        """An earlier invitation of that address stops working."""
        for client in queryset:
            invitations.invite(
                client=client,
                email=client.email,
                role=Membership.Role.OWNER,
                by=name_of(request),
                now=timezone.now(),
            )
            messages.success(request, f"{client.email} is invited; the link is under Invitations.")

    @admin.action(description="Check the AWS connection", permissions=["change"])
    def check_connection(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        """Says what is missing, for each client and region."""
        for client in queryset:
            try:
                checked = connection.check(client)
            except Refused as error:
                messages.error(request, f"{client}: {error.message}")
            except CloudError as error:
                messages.error(request, f"{client}: AWS does not let us in, or answer: {error}")
            else:
                for region, findings in checked.items():
                    if lacking := permissions.missing(findings):
                        messages.error(request, f"{client}, {region}: lacks {', '.join(lacking)}.")
                    else:
                        messages.success(request, f"{client}, {region}: nothing is missing.")

    def _page(
        self,
        request: HttpRequest,
        queryset: QuerySet[Client],
        text_of: Callable[..., str],
        title: str,
    ) -> HttpResponse | None:
        shown = []
        for client in queryset:
            try:
                text = text_of(client=client, by=name_of(request), now=timezone.now())
            except Refused as refusal:
                messages.error(request, f"{client}: {refusal.message}")
            else:
                shown.append((client, text))
        if not shown:
            return None
        context = {**self.admin_site.each_context(request), "title": title, "shown": shown}
        response = TemplateResponse(request, "admin/clients/tokens.html", context)
        add_never_cache_headers(response)
        return response


@admin.register(Invitation)
class InvitationAdmin(ReadOnly):
    """Who was invited; an open invitation's page shows its link."""

    list_display = ["email", "role", "client", "invited_by", "created_at", "expires_at", "used_at"]
    list_filter = ["role"]
    search_fields = ["email", "client__name"]
    list_select_related = ["client"]
    readonly_fields = ["link"]

    def link(self, invitation: Invitation) -> str:
        """The address to pass on, while it is any good."""
        if invitation.used_at is not None or invitation.expires_at <= timezone.now():
            return "no longer good"
        return invitations.link(invitation)


@admin.register(Token)
class TokenAdmin(ReadOnly):
    """Who holds what, and when it was last used; never the token itself."""

    list_display = ["prefix", "kind", "client", "user", "instance_id", "last_used_at", "expires_at"]
    list_filter = ["kind"]
    search_fields = ["prefix", "client__name", "user__username", "agent_id", "instance_id"]
    list_select_related = ["client", "user"]
    exclude = ["digest", "sealed"]
    actions = ["revoke"]

    @admin.action(description="Take back: whoever holds it is shut out", permissions=["view"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Token]) -> None:
        """For superusers."""
        if not getattr(request.user, "is_superuser", False):
            messages.error(request, "Only a superuser takes tokens back.")
            return
        gone = sum(tokens.revoke(token) for token in queryset)
        messages.success(request, f"{gone} token(s) taken back.")


@admin.register(FeedEvent)
class FeedEventAdmin(ReadOnly):
    """What happened."""

    list_display = ["created_at", "severity", "event_type", "client", "message"]
    list_filter = ["severity", "event_type", "client"]
    search_fields = ["message", "agent_id"]
    list_select_related = ["client"]
    date_hierarchy = "created_at"


@admin.register(Installation)
class InstallationAdmin(Page):
    """The global stop."""

    list_display = ["id", "automation", "created_at"]
    fields = ["id", "automation", "created_at"]
    readonly_fields = ["id", "created_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """There is one."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Its id is in the tags of machines."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Installation]:
        """The row is made on first use, also when that is here."""
        installation.current()
        return super().get_queryset(request)

    def save_model(self, request: HttpRequest, obj: Installation, form: Any, change: bool) -> None:
        """Through the domain, which leaves a record and wakes the guard."""
        installation.set_automation(on=obj.automation, by=name_of(request), now=timezone.now())


def name_of(request: HttpRequest) -> str:
    """Who is at work here."""
    return request.user.get_username()
