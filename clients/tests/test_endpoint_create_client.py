"""Endpoint 15."""

import pytest

from clients import tokens
from clients.models import Client, FeedEvent, Token
from spotopt.tests import cast

URL = "/api/admin/clients/create"
BODY = {
    "name": "Company ABC",
    "email": "admin@companyabc.com",
    "target_savings_percent": 60,
    "max_switches_per_day": 5,
}


def post(api, **changes):
    return api.post(URL, {**BODY, **changes}, format="json")


def test_a_client_with_its_token(staff_api, now):
    response = post(staff_api)
    assert response.status_code == 201
    answer = response.json()
    assert set(answer) == {"status", "client_id", "token", "message", "invitation_url"}
    assert answer["status"] == "success"
    client = Client.objects.get(pk=answer["client_id"])
    assert (client.name, client.email) == ("Company ABC", "admin@companyabc.com")
    assert (client.target_savings_percent, client.max_switches_per_day) == (60, 5)
    token = tokens.lookup(answer["token"], now)
    assert token is not None
    assert token.client == client


def test_the_rest_has_defaults(staff_api):
    response = staff_api.post(URL, {"name": "A", "email": "a@example.com"}, format="json")
    client = Client.objects.get(pk=response.json()["client_id"])
    assert (client.target_savings_percent, client.max_switches_per_day) == (50, 3)


def test_it_is_on_record(staff_api):
    post(staff_api)
    event = FeedEvent.objects.get(event_type="client_created")
    assert event.message == "staff created the client Company ABC."


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        pytest.param("name", "x" * 201, id="name-long"),
        ("name", None),
        ("name", {"a": 1}),
        ("email", "nobody"),
        pytest.param("email", "a@" + "b" * 300 + ".com", id="email-long"),
        ("target_savings_percent", 101),
        ("target_savings_percent", -1),
        ("target_savings_percent", "half"),
        ("target_savings_percent", True),
        ("max_switches_per_day", 10**30),
        ("max_switches_per_day", 1.5),
    ],
)
def test_a_bad_value_is_named_and_changes_nothing(staff_api, field, value):
    response = post(staff_api, **{field: value})
    assert response.status_code == 400
    assert list(response.json()["errors"]) == [field]
    assert not Client.objects.exists()


@pytest.mark.parametrize(
    "body", ["[]", '"x"', "null", "7", "", "{", '{"name": NaN}', '{"name": "\\u0000"}']
)
def test_no_body_makes_it_fail_badly(staff_api, body):
    response = staff_api.generic("POST", URL, body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["status"] == "error"


def test_another_kind_of_body_is_415(staff_api):
    response = staff_api.generic(
        "POST", URL, "name=x", content_type="application/x-www-form-urlencoded"
    )
    assert response.status_code == 415
    assert response.json()["status"] == "error"


def test_a_body_beyond_two_megabytes_is_413(staff_api):
    response = post(staff_api, name="x" * (2 * 1024 * 1024))
    assert response.status_code == 413
    assert response.json()["status"] == "error"
    assert not Client.objects.exists()


def test_if_the_token_fails_there_is_no_client(staff_api, monkeypatch):
    def broken(*args):
        raise tokens.TokenLost("broken")

    monkeypatch.setattr(tokens, "issue_client", broken)
    assert post(staff_api).status_code == 409
    assert not Client.objects.exists()
    assert not Token.objects.filter(kind="client").exists()


def test_only_staff(acme_api, alice, slot):
    for api in (acme_api, cast.logged_in(alice), slot.api):
        assert post(api).status_code == 403
