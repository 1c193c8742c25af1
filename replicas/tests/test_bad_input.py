"""Whatever JSON comes to the emergency path's endpoints: 400 that names the field, and nothing changed."""

from typing import Any

import pytest

from agents.models import Agent, Command, Instance
from clients.models import FeedEvent
from replicas.models import InterruptionEvent, Replica, Saga

WRONG = {
    "a list": [1],
    "an object": {"a": 1},
    "true": True,
    "words": "certainly not",
    "empty": "",
    "a number": -7.5,
    "a whole number": 7,
    "long": "x" * 5000,
}
MOMENTS = {
    **WRONG,
    "no zone": "2025-11-21T10:32:00",
    "a date": "2025-11-21",
    "no such day": "2025-02-30T10:00:00Z",
    "the end of time": "9999-12-31T23:59:59Z",
    "its beginning": "0001-01-01T00:00:00Z",
}


def but(kinds, *names):
    return {name: value for name, value in kinds.items() if name not in names}


# Route, field, values that are wrong there. Text fields take numbers for their digits.
FIELDS = [
    ("termination", "signal_type", WRONG),
    ("termination", "termination_time", MOMENTS),
    ("termination", "detected_at", MOMENTS),
    ("termination", "instance_id", but(WRONG, "words", "a number", "a whole number")),
    ("create-emergency-replica", "signal_type", WRONG),
    ("create-emergency-replica", "detected_at", MOMENTS),
    ("create-emergency-replica", "instance_id", but(WRONG, "words", "a number", "a whole number")),
    ("termination-imminent", "termination_time", MOMENTS),
    (
        "termination-imminent",
        "time_until_termination_seconds",
        but(WRONG, "true", "a whole number"),
    ),
    ("termination-imminent", "instance_id", but(WRONG, "words", "a number", "a whole number")),
    ("replicas", "replica_type", WRONG),
    ("replicas", "pool_id", but(WRONG, "empty")),
    ("replicas", "mode", but(WRONG, "empty")),
    ("replicas", "keep_alive", but(WRONG, "true")),
    ("replicas", "command_id", WRONG),
    ("register", "instance_id", WRONG),
    ("register", "instance_type", WRONG),
    ("register", "region", WRONG),
    ("register", "mode", WRONG),
    ("register", "az", but(WRONG, "a number", "a whole number", "words", "empty")),
    ("register", "az_id", but(WRONG, "empty")),
    ("register", "private_ip", WRONG),
    ("register", "hooks", but(WRONG, "a list")),
    ("register", "is_replica", but(WRONG, "true")),
    ("register", "parent_agent_id", WRONG),
    ("register", "recovery_mode", but(WRONG, "true")),
    ("register", "replacing_agent_id", WRONG),
    ("register", "logical_agent_id", but(WRONG, "words", "empty", "a number", "a whole number")),
]
CASES = [pytest.param(*case, id=f"{case[0]}-{case[1]}") for case in FIELDS]
REGISTRATION = {
    "instance_id": "i-0acme0000000077",
    "instance_type": "t3.medium",
    "region": "us-east-1",
    "az": "us-east-1a",
    "az_id": "use1-az1",
    "mode": "spot",
}
COUNTED = (Agent, Instance, Command, FeedEvent, InterruptionEvent, Saga, Replica)


@pytest.fixture(autouse=True)
def connected(settings, client_acme):
    """By a role that is never entered: what is refused asks AWS nothing."""
    client_acme.aws_role_arn = "arn:aws:iam::123456789012:role/spotopt"
    client_acme.save()
    settings.AWS_ENDPOINT_URL = "http://127.0.0.1:9"


def rows():
    return {model.__name__: model.objects.count() for model in COUNTED}


def send(slot, acme_api, route, body):
    path = "register" if route == "register" else f"{slot.agent.pk}/{route}"
    return acme_api.post(f"/api/agents/{path}", body, format="json")


@pytest.mark.parametrize(("route", "field", "values"), CASES)
def test_a_wrong_value_is_named_and_changes_nothing(slot, acme_api, route, field, values):
    before = rows()
    for kind, value in values.items():
        body = {**(REGISTRATION if route == "register" else {}), field: value}
        response = send(slot, acme_api, route, body)
        told = response.json()
        assert (response.status_code, told["status"]) == (400, "error"), (kind, told)
        assert list(told["errors"]) == [field], kind
    assert rows() == before


@pytest.mark.parametrize("route", sorted({route for route, _, _ in FIELDS}))
def test_a_body_that_is_no_object_is_400(slot, acme_api, route):
    before = rows()
    bodies: list[Any] = [[], [1], "text", 7, True]
    for body in bodies:
        assert send(slot, acme_api, route, body).status_code == 400, body
    assert rows() == before


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"a": NaN}', "application/json", 400),
        (b'{"time_until_termination_seconds": 1e999}', "application/json", 400),
        (b'{"instance_id": "i-\\u0000"}', "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 5000, "application/json", 400),
        (b"a=b", "application/x-www-form-urlencoded", 415),
        (b'{"x": "' + b"x" * 3_000_000 + b'"}', "application/json", 413),
    ],
)
def test_what_is_no_json_is_refused(slot, acme_api, content, kind, status):
    before = rows()
    for path in (
        f"/api/agents/{slot.agent.pk}/termination",
        f"/api/agents/{slot.agent.pk}/termination-imminent",
        "/api/agents/register",
    ):
        response = acme_api.generic("POST", path, content, content_type=kind)
        assert response.status_code == status, path
        assert response.json()["status"] == "error"
    assert rows() == before


@pytest.mark.parametrize("name", ["instance_id", "instance_type", "region", "mode"])
def test_what_a_machine_must_say_of_itself(slot, acme_api, name):
    body = {key: value for key, value in REGISTRATION.items() if key != name}
    response = acme_api.post("/api/agents/register", body, format="json")
    assert (response.status_code, list(response.json()["errors"])) == (400, [name])


@pytest.mark.parametrize("value", [*MOMENTS.values(), None])
def test_sync_status_names_its_fields_too(slot, acme_api, value):
    now = slot.primary.registered_at
    saga = Saga.objects.create(
        client=slot.agent.client, agent=slot.agent, trigger="manual", goal="standby", created_at=now
    )
    replica = Replica.objects.create(
        client=saga.client,
        agent=slot.agent,
        saga=saga,
        replica_type="manual",
        pool=slot.primary.pool,
        created_at=now,
    )
    path = f"/api/agents/{slot.agent.pk}/replicas/{replica.pk}/sync-status"
    bodies = {
        "sync_status": {"sync_status": value},
        "last_sync_timestamp": {"sync_status": "syncing", "last_sync_timestamp": value},
        "lag_seconds": {"sync_status": "syncing", "lag_seconds": value},
    }
    for field, body in bodies.items():
        if value in (None, True, 7) and field == "lag_seconds":
            continue  # not told, 1 s and 7 s
        if value is None and field == "last_sync_timestamp":
            continue
        response = acme_api.post(path, body, format="json")
        assert (response.status_code, list(response.json()["errors"])) == (400, [field])
    replica.refresh_from_db()
    assert (replica.sync_status, replica.lag_seconds) == ("", None)
