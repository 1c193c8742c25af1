"""Invitations: good once, for 72 hours, for whoever holds the link."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db.models import QuerySet
from django.urls import reverse

from clients import invitations
from clients.models import FeedEvent, Invitation, Membership
from spotopt.lib.errors import BadInput
from spotopt.tests import cast

NOW = cast.NOON


def invite(client, role="operator", email="dora@example.com", now=NOW):
    return invitations.invite(client=client, email=email, role=role, by="alice", now=now)


def secret_of(invitation):
    return invitations.link(invitation).rpartition("/")[2]


@pytest.fixture
def secret(client_acme):
    return secret_of(invite(client_acme))


def sign_up(secret, username="dora", password=cast.PASSWORD, now=NOW):
    return invitations.sign_up(secret=secret, username=username, password=password, now=now)


def test_a_new_person_comes_in(secret, client_acme):
    user = sign_up(secret)
    assert user.email == "dora@example.com"
    assert user.check_password(cast.PASSWORD)
    assert not user.is_staff
    assert Membership.objects.get(user=user).role == "operator"
    used = Invitation.objects.get()
    assert (used.used_by, used.used_at) == (user, NOW)


def test_once(secret):
    sign_up(secret)
    with pytest.raises(invitations.NoSuchInvitation):
        sign_up(secret, username="second")
    assert not User.objects.filter(username="second").exists()


def test_for_72_hours(secret):
    assert invitations.find(secret, NOW + timedelta(hours=72, seconds=-1))
    with pytest.raises(invitations.NoSuchInvitation):
        invitations.find(secret, NOW + timedelta(hours=72))


def test_the_next_one_replaces_it(secret, client_acme, client_other):
    elsewhere = secret_of(invite(client_other))
    again = secret_of(invite(client_acme, email="DORA@example.com"))
    with pytest.raises(invitations.NoSuchInvitation):
        invitations.find(secret, NOW)
    assert invitations.find(again, NOW)
    assert invitations.find(elsewhere, NOW)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[:-1],
        lambda text: text + "0",
        lambda text: text[:32],
        lambda text: "0" * 32 + text[32:],
        lambda text: text[:32] + "é" * 64,
        lambda text: "-" * 96,
    ],
)
def test_another_link_is_none(secret, spoil):
    with pytest.raises(invitations.NoSuchInvitation):
        invitations.find(spoil(secret), NOW)


def test_a_link_outlives_a_new_key(secret, settings):
    settings.TOKEN_KEYS = ["new", *settings.TOKEN_KEYS]
    assert invitations.find(secret, NOW)
    settings.TOKEN_KEYS = ["new"]
    with pytest.raises(invitations.NoSuchInvitation):
        invitations.find(secret, NOW)


@pytest.mark.parametrize(
    ("name", "password", "field"),
    [
        ("", cast.PASSWORD, "username"),
        ("alice", cast.PASSWORD, "username"),
        ("a b", cast.PASSWORD, "username"),
        ("x" * 151, cast.PASSWORD, "username"),
        ("dora", "short", "password"),
        ("dora", "passwordpassword1", None),
        ("dora", "dora@example.com", "password"),
        ("dora", "", "password"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named_and_the_link_stays_good(secret, alice, name, password, field):
    if field is None:
        assert sign_up(secret, name, password)
        return
    with pytest.raises(BadInput) as refusal:
        sign_up(secret, name, password)
    assert list(refusal.value.errors) == [field]
    assert invitations.find(secret, NOW)


def test_who_is_there_already_joins(client_other, alice):
    secret = secret_of(invite(client_other, role="viewer"))
    assert invitations.join(secret=secret, user=alice, now=NOW) == client_other
    assert Membership.objects.get(user=alice, client=client_other).role == "viewer"


@pytest.mark.parametrize(
    ("has", "offered", "gets"), [("owner", "viewer", "owner"), ("viewer", "operator", "operator")]
)
def test_nobody_comes_out_with_less(client_acme, has, offered, gets):
    user = cast.make_user("eve", client_acme, has)
    invitations.join(secret=secret_of(invite(client_acme, role=offered)), user=user, now=NOW)
    assert Membership.objects.get(user=user).role == gets


def test_of_two_at_once_one_gets_in(secret, alice, charlie, monkeypatch):
    """The rival joins between the look and the use."""
    read = QuerySet.first

    def first_then_rival(self):
        found = read(self)
        monkeypatch.setattr(QuerySet, "first", read)
        invitations.join(secret=secret, user=charlie, now=NOW)
        return found

    monkeypatch.setattr(QuerySet, "first", first_then_rival)
    with pytest.raises(invitations.NoSuchInvitation):
        invitations.join(secret=secret, user=alice, now=NOW)
    assert not Membership.objects.filter(user=alice).exclude(role="owner").exists()


def test_it_is_mailed_where_mail_is_set_up(
    client_acme, settings, django_capture_on_commit_callbacks
):
    settings.PUBLIC_URL = "https://spot.example"
    with django_capture_on_commit_callbacks(execute=True):
        invite(client_acme)
    assert mail.outbox == []
    settings.EMAIL_URL = "smtp://mail.example"
    with django_capture_on_commit_callbacks(execute=True):
        invitation = invite(client_acme)
    (letter,) = mail.outbox
    assert letter.to == ["dora@example.com"]
    assert f"https://spot.example/invitation/{secret_of(invitation)}" in letter.body


def test_mail_that_fails_changes_nothing(
    client_acme, settings, django_capture_on_commit_callbacks, caplog
):
    settings.EMAIL_URL = "smtp://mail.example"
    settings.EMAIL_BACKEND = "no.such.Backend"
    with django_capture_on_commit_callbacks(execute=True):
        invitation = invite(client_acme)
    assert invitations.find(secret_of(invitation), NOW)
    assert "mail was not sent" in caplog.text
    assert secret_of(invitation) not in caplog.text


def test_the_feed_knows_but_not_the_link(secret):
    event = FeedEvent.objects.get()
    assert event.message == "alice invited dora@example.com as operator."


# --- the page ---------------------------------------------------------------------------------------


@pytest.fixture
def url(client_acme, now):
    return invitations.link(invite(client_acme, now=now))


def test_the_page_and_in(client, url):
    page = client.get(url)
    assert page.status_code == 200
    assert "Join Acme" in page.content.decode()
    response = client.post(url, {"username": "dora", "password": cast.PASSWORD})
    assert (response.status_code, response["Location"]) == (302, "/")
    assert client.session["_auth_user_id"] == str(User.objects.get(username="dora").pk)
    assert client.get(url).status_code == 404


def test_the_page_says_what_is_wrong(client, url):
    response = client.post(url, {"username": "dora", "password": "short"})
    assert response.status_code == 400
    assert "too short" in response.content.decode()
    assert 'value="dora"' in response.content.decode()


def test_a_logged_in_person_just_joins(client, charlie, url):
    client.force_login(charlie)
    assert "logged in as charlie" in client.get(url).content.decode()
    assert client.post(url).status_code == 302
    assert Membership.objects.filter(user=charlie).count() == 2


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_bad_link(client, db, method):
    response = getattr(client, method)("/invitation/nonsense")
    assert response.status_code == 404
    assert "ask for a new one" in response.content.decode()


def test_creating_a_client_invites_its_owner(staff_api, client):
    body = {"name": "New", "email": "boss@example.com"}
    answer = staff_api.post("/api/admin/clients/create", body, format="json").json()
    client.post(answer["invitation_url"], {"username": "boss", "password": cast.PASSWORD})
    assert Membership.objects.get().role == "owner"


def test_the_admin_shows_the_link(client, staff, client_acme, url):
    client.force_login(staff)
    page = reverse("admin:clients_invitation_change", args=[Invitation.objects.get().pk])
    assert url in client.get(page).content.decode()
    Invitation.objects.update(used_at=NOW)
    assert url not in client.get(page).content.decode()
    assert (
        client.get(reverse("admin:clients_invitation_changelist"), {"q": "dora"}).status_code == 200
    )
    client.post(
        reverse("admin:clients_client_changelist"),
        {"action": "invite_owner", "_selected_action": [client_acme.pk]},
    )
    assert Invitation.objects.filter(email="acme@example.com", role="owner").exists()
