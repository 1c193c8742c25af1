"""A forgotten password."""

import re

import pytest
from django.core import mail
from django.test import Client as Browser

NEW = "quite another password"


@pytest.fixture(autouse=True)
def with_mail(settings):
    settings.EMAIL_URL = "smtp://mail.example"
    settings.PUBLIC_URL = "https://spot.example"


def ask(client, email="alice@example.com", **more):
    return client.post("/password-reset", {"email": email}, **more)


def path_in_mail():
    found = re.search(r"https://spot\.example(/\S+)", str(mail.outbox[-1].body))
    assert found is not None
    return found[1]


def choose(client, path, password=NEW):
    page = client.get(path, follow=True)
    where = page.redirect_chain[-1][0] if page.redirect_chain else path
    return client.post(where, {"new_password1": password, "new_password2": password})


def test_from_the_mail_to_a_new_password(client, alice):
    assert "on its way" in client.get(ask(client)["Location"]).content.decode()
    assert mail.outbox[0].to == ["alice@example.com"]
    assert mail.outbox[0].subject == "A new password for Spot Optimizer"
    response = choose(client, path_in_mail())
    assert "Log in" in client.get(response["Location"]).content.decode()
    alice.refresh_from_db()
    assert alice.check_password(NEW)


def test_the_link_is_good_once(client, alice):
    ask(client)
    path = path_in_mail()
    choose(client, path)
    assert "not valid any more" in client.get(path).content.decode()


def test_and_for_an_hour(client, alice, monkeypatch, settings):
    ask(client)
    assert settings.PASSWORD_RESET_TIMEOUT == 3600
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert "not valid any more" in client.get(path_in_mail()).content.decode()


def test_a_weak_password_is_refused(client, alice):
    ask(client)
    assert "too short" in choose(client, path_in_mail(), "short").content.decode()
    alice.refresh_from_db()
    assert not alice.check_password("short")


def test_nobody_learns_who_has_an_account(client, alice):
    answers = [ask(client), ask(client, "nobody@example.com")]
    assert {(answer.status_code, answer["Location"]) for answer in answers} == {
        (302, "/password-reset/asked")
    }
    assert len(mail.outbox) == 1


def test_the_link_leads_to_the_server_whatever_the_host_header(client, alice):
    ask(client, HTTP_HOST="127.0.0.1")
    assert "127.0.0.1" not in mail.outbox[0].body
    assert path_in_mail()


def test_ten_a_minute(client, alice):
    for _ in range(10):
        ask(client)
    response = ask(client)
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0
    assert len(mail.outbox) == 10


def test_without_mail_the_page_says_whom_to_ask(client, alice, settings):
    settings.EMAIL_URL = ""
    assert "sends no mail" in client.get("/password-reset").content.decode()
    ask(client)
    assert mail.outbox == []


def test_a_new_password_ends_the_sessions(client, alice):
    other = Browser()
    other.force_login(alice)
    assert "logged in as" in other.get("/login?next=/admin/").content.decode()
    ask(client)
    choose(client, path_in_mail())
    assert "logged in as" not in other.get("/login?next=/admin/").content.decode()
