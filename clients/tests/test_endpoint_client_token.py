"""Endpoints 17 and 18: replacing a client's token, and showing it."""

from uuid import uuid4

import pytest

from clients.models import FeedEvent, Token


@pytest.fixture
def url(client_acme):
    return f"/api/admin/clients/{client_acme.pk}"


def test_shown_again(staff_api, url, acme_token):
    response = staff_api.get(f"{url}/token")
    assert response.status_code == 200
    assert response.json() == {"status": "success", "token": acme_token}
    assert response["Cache-Control"] == "no-store"


def test_each_showing_is_on_record(staff_api, url, acme_token, client_acme):
    staff_api.get(f"{url}/token")
    staff_api.get(f"{url}/token")
    events = FeedEvent.objects.filter(client=client_acme, event_type="token_shown")
    assert [event.message for event in events] == ["staff looked at the client token."] * 2
    assert not [event for event in events if acme_token in event.message]


def test_replaced(staff_api, url, acme_token, acme_api):
    answer = staff_api.post(f"{url}/regenerate-token").json()
    assert set(answer) == {"status", "new_token", "message"}
    assert answer["new_token"] != acme_token
    assert acme_api.get("/api/admin/clients").status_code == 401
    assert staff_api.get(f"{url}/token").json()["token"] == answer["new_token"]
    assert FeedEvent.objects.filter(event_type="token_regenerated").count() == 1


def test_agents_keep_theirs(staff_api, url, slot):
    staff_api.post(f"{url}/regenerate-token")
    assert slot.api.get("/api/admin/clients").status_code == 403  # known, and not let in there


def test_a_client_without_one(staff_api, url):
    response = staff_api.get(f"{url}/token")
    assert response.status_code == 409
    assert "regenerate" in response.json()["message"]
    assert not FeedEvent.objects.exists()
    assert staff_api.post(f"{url}/regenerate-token").status_code == 200
    assert staff_api.get(f"{url}/token").status_code == 200


@pytest.mark.parametrize("client_id", [uuid4(), "nonsense", "%00", "client_123"])
def test_a_missing_client(staff_api, client_id):
    assert staff_api.get(f"/api/admin/clients/{client_id}/token").status_code == 404
    assert staff_api.post(f"/api/admin/clients/{client_id}/regenerate-token").status_code == 404
    assert not Token.objects.filter(kind="client").exists()


def test_the_wrong_method(staff_api, url, acme_token):
    response = staff_api.post(f"{url}/token")
    assert response.status_code == 405
    assert response.json()["status"] == "error"
