"""Endpoint 5."""

import pytest

from agents.models import Command
from agents.tests import support
from agents.tests.support import fresh, issue
from spotopt.tests import cast

pytestmark = pytest.mark.django_db
DONE = {
    "success": True,
    "result": {"new_instance_id": "i-0987654321fedcba0", "switch_duration_seconds": 45},
    "error": None,
}


@pytest.fixture
def command(slot, now):
    """Waits for the primary."""
    return issue(slot.primary, now=now)


@pytest.fixture
def post(url, command):
    """`post(api, body)` reports it."""
    return lambda api, body=DONE, id=None: api.post(
        url(f"commands/{id or command.pk}/executed"), body, format="json"
    )


def test_it_is_marked(slot, post, command):
    answer = post(slot.api)
    assert answer.status_code == 200
    assert answer.json() == {"status": "success", "message": "Command marked as executed"}
    row = fresh(command)
    assert (row.status, row.result) == ("executed", DONE["result"])


def test_twice_is_200_without_a_second_effect(slot, post, command):
    post(slot.api)
    answer = post(slot.api, {"success": False, "error": "changed my mind"})
    assert answer.status_code == 200
    row = fresh(command)
    assert (row.status, row.error) == ("executed", "")


def test_a_failure_is_kept_and_told(slot, post, command):
    post(slot.api, {"success": False, "result": None, "error": "no capacity anywhere"})
    assert fresh(command).status == "failed"
    assert "no capacity anywhere" in support.told("command_failed")[0]


@pytest.mark.parametrize("id", ["9f1d4f0e-6f0a-4f0e-8d35-6d2f2a1f0c11", "cmd_123", "0"])
def test_no_such_command(slot, post, id):
    assert post(slot.api, id=id).status_code == 404


def test_another_agents_command(slot, other_slot, post, now):
    theirs = issue(other_slot.primary, now=now)
    assert post(slot.api, id=theirs.pk).status_code == 404
    assert fresh(theirs).status == "pending"


def test_a_sibling_agents_command(client_acme, acme_api, post, slot, now):
    theirs = issue(cast.make_slot(client_acme, "i-0acme0000000009").primary, now=now)
    assert post(acme_api, id=theirs.pk).status_code == 404


def test_a_standby_cannot_report_the_primarys(standby_api, post, command):
    assert post(standby_api).status_code == 404
    assert fresh(command).status == "pending"


def test_a_client_token_reports_for_any_machine_of_the_agent(acme_api, standby, url, now):
    theirs = issue(standby, now=now)
    answer = acme_api.post(url(f"commands/{theirs.pk}/executed"), DONE, format="json")
    assert answer.status_code == 200


def test_an_open_switch_is_done_by_the_promotion(slot, standby, now):
    command = issue(slot.primary, now=now, command_type=Command.Type.SWITCH)
    support.move(slot.primary, standby, now=now)
    row = fresh(command)
    assert row.status == "executed"
    assert row.result == {"new_instance_id": standby.instance_id, "switch_duration_seconds": 30.0}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "success"),
        ({"success": None}, "success"),
        ({"success": "yes"}, "success"),
        ({"success": 1}, "success"),
        ({"success": [True]}, "success"),
        ({"success": True, "result": []}, "result"),
        ({"success": True, "result": "done"}, "result"),
        ({"success": True, "error": {}}, "error"),
        ({"success": True, "error": "x" * 70_000}, "error"),
        ({"success": True, "instance_id": "nope"}, "instance_id"),
    ],
)
def test_bad_input_names_its_field(slot, post, command, body, field):
    answer = post(slot.api, body)
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [field]
    assert fresh(command).status == "pending"


def test_a_result_too_large(slot, post, command):
    answer = post(slot.api, {"success": True, "result": {"log": "x" * 17_000}})
    assert answer.status_code == 413
    assert fresh(command).status == "pending"
