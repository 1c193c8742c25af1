"""The admin's pages of this app: they open, search, and do what the API does."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from clients import feed, installation, tokens
from clients.admin import ClientAdmin
from clients.models import Client, FeedEvent, Membership, Token
from spotopt.tests import cast

MODELS = ("client", "token", "feedevent", "installation")


@pytest.fixture
def admin(client, staff):
    client.force_login(staff)
    return client


@pytest.fixture
def event(client_acme):
    return feed.record(
        client_id=client_acme.pk, event_type="e", message="found me", severity="info", now=cast.NOON
    )


def listing(model):
    return reverse(f"admin:clients_{model}_changelist")


def act(admin, model, action, *rows):
    return admin.post(
        listing(model), {"action": action, "_selected_action": [row.pk for row in rows]}
    )


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("query", [{}, {"q": "acme"}])
def test_lists_open_and_search(admin, acme_token, event, model, query):
    assert admin.get(listing(model), query).status_code == 200


def test_pages_open(admin, acme_token, event, client_acme, alice):
    rows = [client_acme, Token.objects.get(), event, installation.current()]
    for model, row in zip(MODELS, rows, strict=True):
        assert admin.get(reverse(f"admin:clients_{model}_change", args=[row.pk])).status_code == 200


def test_a_tokens_page_tells_no_digest(admin, acme_token):
    token = Token.objects.get()
    page = admin.get(reverse("admin:clients_token_change", args=[token.pk])).content.decode()
    assert token.prefix in page
    assert token.digest not in page
    assert token.sealed not in page


@pytest.mark.parametrize("model", ["token", "feedevent"])
def test_histories_are_only_looked_at(admin, acme_token, event, model):
    row = Token.objects.get() if model == "token" else event
    assert admin.get(reverse(f"admin:clients_{model}_add")).status_code == 403
    assert admin.post(reverse(f"admin:clients_{model}_change", args=[row.pk])).status_code == 403
    assert admin.post(reverse(f"admin:clients_{model}_delete", args=[row.pk])).status_code == 403


def test_the_token_is_shown_once_and_on_record(admin, acme_token, client_acme):
    response = act(admin, "client", "show_token", client_acme)
    assert acme_token in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    assert FeedEvent.objects.get().message == "staff looked at the client token."
    assert acme_token not in admin.get(listing("client")).content.decode()


def test_the_token_is_replaced(admin, acme_token, client_acme, now):
    page = act(admin, "client", "regenerate_token", client_acme).content.decode()
    assert tokens.lookup(acme_token, now) is None
    assert tokens.reveal_client(client_acme) in page


def test_a_client_without_a_token_is_said_to_have_none(admin, client_acme):
    response = act(admin, "client", "show_token", client_acme)
    assert response.status_code == 302
    assert "regenerate it" in admin.get(listing("client")).content.decode()


def test_who_may_only_look_sees_no_token(client, acme_token, client_acme):
    looker = cast.make_user("looker", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_client"))
    client.force_login(looker)
    for action in ("show_token", "regenerate_token"):
        assert acme_token not in act(client, "client", action, client_acme).content.decode()
    assert tokens.reveal_client(client_acme) == acme_token
    assert not FeedEvent.objects.exists()


def test_a_client_made_here_has_its_token(admin):
    form = admin.get(reverse("admin:clients_client_add")).context["adminform"].form
    fields = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    values = {name: "" if value is None else value for name, value in fields.items()}
    management = {f"memberships-{name}": 0 for name in ("TOTAL_FORMS", "INITIAL_FORMS")}
    response = admin.post(
        reverse("admin:clients_client_add"),
        {**values, "name": "New", "email": "n@example.com", "allowed_types": "[]",
         "aws_regions": "[]", "aws_subnets": "{}", "aws_queues": "{}", "automation": "on", **management},
    )  # fmt: skip
    assert response.status_code == 302
    client = Client.objects.get()
    assert tokens.reveal_client(client)
    assert FeedEvent.objects.filter(event_type="client_created").count() == 1


def test_every_setting_of_a_client_is_on_its_page():
    shown = {name for _, options in ClientAdmin.fieldsets for name in options["fields"]}
    assert shown == {field.name for field in Client._meta.fields}


def test_a_client_is_not_deleted_here(admin, client_acme):
    url = reverse("admin:clients_client_delete", args=[client_acme.pk])
    assert admin.post(url, {"post": "yes"}).status_code == 403
    act(admin, "client", "delete_selected", client_acme)
    assert Client.objects.exists()


def test_the_global_stop(admin, client_acme):
    row = installation.current()
    admin.post(reverse("admin:clients_installation_change", args=[row.pk]), {})
    assert not installation.automation_on(client_acme)
    assert FeedEvent.objects.get().message.startswith("staff set the global stop")
    admin.post(reverse("admin:clients_installation_change", args=[row.pk]), {"automation": "on"})
    assert installation.automation_on(client_acme)


def test_tokens_are_taken_back_by_superusers(admin, client, acme_token, now):
    token = Token.objects.get()
    act(admin, "token", "revoke", token)
    assert tokens.lookup(acme_token, now) is None


def test_and_by_nobody_else(client, acme_token, now):
    looker = cast.make_user("looker", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_token"))
    client.force_login(looker)
    act(client, "token", "revoke", Token.objects.get())
    assert tokens.lookup(acme_token, now) is not None


def test_people_are_made_and_given_roles(admin, client_acme, bob):
    assert admin.get(reverse("admin:auth_user_add")).status_code == 200
    page = admin.get(reverse("admin:clients_client_change", args=[client_acme.pk])).content.decode()
    assert f"{bob} is viewer of Acme" in page
    assert Membership.objects.count() == 1
