"""Endpoint 40: the history of decisions."""

import csv
import io
from datetime import timedelta

import pytest

from mlengine.models import Decision
from mlengine.tests import world
from mlengine.tests.world import HERE, B
from spotopt.tests import cast

KEYS = {
    "decision_id", "timestamp", "agent_id", "instance_id", "policy", "model_version", "action", "acted",
    "dry_run", "from_pool_id", "to_pool_id", "to_mode", "savings_percent", "risk_score", "under_target",
    "reason", "command_id", "inputs", "terms", "passed_over",
}  # fmt: skip


def made(slot, now, minutes=0, **fields):
    return Decision.objects.create(
        **{
            "client": slot.agent.client,
            "agent": slot.agent,
            "instance": slot.primary,
            "pool": slot.primary.pool,
            "at": now - timedelta(minutes=minutes),
            "policy": "seed",
            "action": "stay",
            "reason": "because",
            **fields,
        }
    )


def moved(slot, now, minutes=0, **fields):
    return made(
        slot, now, minutes, action="switch", acted=True, command_id=slot.agent.pk,
        target_pool=world.price(B, "0.01", at=now), target_mode="spot", saving=0.3158, risk=0.15,
        **fields,
    )  # fmt: skip


def ask(api, client, query=""):
    return api.get(f"/api/client/{client.pk}/agents/decisions{query}")


def test_a_decision_on_the_wire(slot, acme_api, client_acme, now):
    row = moved(slot, now, under_target=True, terms={"net_usd_per_hour": 0.01}, inputs={"a": 1})
    body = ask(acme_api, client_acme).json()
    [shown] = body["decisions"]
    assert body["total"] == 1
    assert set(shown) == KEYS
    assert shown["decision_id"] == str(row.pk)
    assert shown["agent_id"] == str(slot.agent.pk)
    assert shown["instance_id"] == slot.primary.instance_id
    assert shown["timestamp"].endswith("Z")
    assert (shown["policy"], shown["model_version"]) == ("seed", None)
    assert (shown["action"], shown["acted"], shown["dry_run"]) == ("switch", True, False)
    assert (shown["from_pool_id"], shown["to_pool_id"], shown["to_mode"]) == (HERE, B, "spot")
    assert (shown["savings_percent"], shown["risk_score"]) == (31.58, 0.15)
    assert (shown["terms"], shown["inputs"]) == ({"net_usd_per_hour": 0.01}, {"a": 1})
    assert shown["under_target"] is True


def test_what_is_unknown_is_null(slot, acme_api, client_acme, now):
    made(slot, now, instance=None, pool=None)
    [shown] = ask(acme_api, client_acme).json()["decisions"]
    for name in (
        "instance_id", "from_pool_id", "to_pool_id", "to_mode", "savings_percent", "risk_score",
        "under_target", "command_id",
    ):  # fmt: skip
        assert shown[name] is None, name


def test_the_newest_first_in_parts(slot, acme_api, client_acme, now):
    rows = [made(slot, now, minutes) for minutes in (30, 0, 15)]
    newest = [str(rows[number].pk) for number in (1, 2, 0)]

    def ids(query):
        body = ask(acme_api, client_acme, query).json()
        assert body["total"] == 3
        return [row["decision_id"] for row in body["decisions"]]

    assert ids("") == newest
    assert ids("?limit=1") == newest[:1]
    assert ids("?limit=2&offset=1") == newest[1:]
    assert ids("?offset=9") == []


def test_narrowed_to_an_agent_and_to_what_was_done(slot, acme_api, client_acme, now):
    other = cast.make_slot(client_acme, "i-0second")
    stay, move, theirs = made(slot, now, 1), moved(slot, now), made(other, now, 2)

    def ids(query):
        body = ask(acme_api, client_acme, query).json()
        assert body["total"] == len(body["decisions"])
        return {row["decision_id"] for row in body["decisions"]}

    assert ids(f"?agent_id={slot.agent.pk}") == {str(stay.pk), str(move.pk)}
    assert ids("?acted=true") == {str(move.pk)}
    assert ids("?acted=false") == {str(stay.pk), str(theirs.pk)}
    assert ids(f"?acted=true&agent_id={other.agent.pk}") == set()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?agent_id=agent_123", "agent_id"),
        ("?agent_id=", "agent_id"),
        ("?agent_id=%00", "agent_id"),
        ("?acted=yes", "acted"),
        ("?acted=", "acted"),
        ("?limit=0", "limit"),
        ("?limit=1001", "limit"),
        ("?offset=-1", "offset"),
        ("?format=xml", "format"),
    ],
)
def test_bad_input_names_its_field(slot, acme_api, client_acme, query, field):
    refused = ask(acme_api, client_acme, query)
    assert refused.status_code == 400
    assert field in refused.json()["errors"]


def test_as_csv(slot, acme_api, client_acme, now):
    moved(slot, now)
    made(slot, now, 5, reason="=SUM(A1)")
    response = ask(acme_api, client_acme, "?format=csv")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/csv")
    first, second = csv.DictReader(io.StringIO(response.content.decode()))
    assert set(first) == KEYS - {"inputs", "terms", "passed_over"}
    assert (first["acted"], first["to_pool_id"], first["savings_percent"]) == ("true", B, "31.58")
    assert (second["to_pool_id"], second["reason"]) == ("", "'=SUM(A1)")


def test_another_clients_decisions_are_not_there(
    slot, other_slot, acme_api, other_api, client_acme, client_other, now
):
    made(slot, now)
    assert ask(other_api, client_acme).status_code == 404
    assert ask(other_api, client_other).json() == {"decisions": [], "total": 0}
    # Neither by asking for a foreign agent among one's own.
    told = ask(other_api, client_other, f"?agent_id={slot.agent.pk}").json()
    assert told == {"decisions": [], "total": 0}


def test_who_may(slot, client_acme, alice, bob, charlie, staff_api, api, as_user, now):
    made(slot, now)
    for caller in (as_user(alice), as_user(bob), staff_api):
        assert ask(caller, client_acme).json()["total"] == 1
    assert ask(as_user(charlie), client_acme).status_code == 404
    assert ask(slot.api, client_acme).status_code == 403
    assert ask(api, client_acme).status_code == 401


def test_few_statements_for_a_long_list(
    slot, acme_api, client_acme, now, django_assert_max_num_queries
):
    for minutes in range(30):
        made(slot, now, minutes)
    with django_assert_max_num_queries(5):
        assert len(ask(acme_api, client_acme).json()["decisions"]) == 30
