"""Logging in and out, and the limit on failures."""

import pytest

from clients import views
from spotopt.tests import cast

PAGE = "{% if throttled %}{{ throttled }}{% endif %}{{ form.non_field_errors }}"


@pytest.fixture(autouse=True)
def plain_page(settings):
    """The page's own looks are no matter here."""
    loaders = [("django.template.loaders.locmem.Loader", {"login.html": PAGE})]
    template = {**settings.TEMPLATES[0], "APP_DIRS": False}
    template["OPTIONS"] = {**template["OPTIONS"], "loaders": loaders}
    settings.TEMPLATES = [template]


def log_in(client, name="alice", password=cast.PASSWORD, **more):
    return client.post("/login", {"username": name, "password": password}, **more)


def test_in_and_out(client, alice):
    response = log_in(client)
    assert (response.status_code, response["Location"]) == (302, "/")
    assert "_auth_user_id" in client.session
    response = client.post("/logout")
    assert (response.status_code, response["Location"]) == (302, "/login")
    assert "_auth_user_id" not in client.session


def test_on_to_where_one_was_going_and_nowhere_else(client, alice):
    credentials = {"username": "alice", "password": cast.PASSWORD}
    inside = client.post("/login?next=/admin/", credentials)
    assert inside["Location"] == "/admin/"
    outside = client.post("/login?next=https://evil.example/", credentials)
    assert outside["Location"] == "/"


def test_logging_out_is_no_link(client, alice):
    client.force_login(alice)
    assert client.get("/logout").status_code == 405
    assert "_auth_user_id" in client.session


def test_a_wrong_password_and_an_unknown_name_read_the_same(client, alice):
    pages = [log_in(client, password="wrong"), log_in(client, name="nobody")]
    assert [page.status_code for page in pages] == [200, 200]
    assert pages[0].content == pages[1].content


def test_after_ten_failures_even_the_right_password_waits(client, alice):
    for _ in range(10):
        assert log_in(client, password="wrong").status_code == 200
    response = log_in(client)
    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 60
    assert "Try again in" in response.content.decode()
    assert "_auth_user_id" not in client.session


def test_the_name_counts_in_any_case(client, alice):
    for name in ("alice", "ALICE", "Alice", "aLice", "alIce") * 2:
        log_in(client, name=name, password="wrong")
    assert log_in(client).status_code == 429


def test_others_are_not_locked_out(client, alice, bob):
    for _ in range(10):
        log_in(client, password="wrong")
    assert log_in(client, name="bob").status_code == 302
    assert log_in(client, REMOTE_ADDR="192.0.2.7").status_code == 302


def test_getting_in_starts_anew(client, alice):
    for _ in range(9):
        log_in(client, password="wrong")
    assert log_in(client).status_code == 302
    for _ in range(9):
        log_in(client, password="wrong")
    assert log_in(client).status_code == 302


def test_many_names_from_one_address(client, alice):
    for index in range(100):
        views.by_address.count("127.0.0.1")
        views.by_name.count(f"127.0.0.1 name{index}")
    assert log_in(client).status_code == 429
    assert log_in(client, REMOTE_ADDR="192.0.2.7").status_code == 302


def test_the_deactivated_stay_out(client, alice):
    alice.is_active = False
    alice.save()
    assert log_in(client).status_code == 200
    assert "_auth_user_id" not in client.session
