"""`POST …/rotate-token`."""

from datetime import timedelta

import pytest

from agents.tests import support
from clients import auth
from spotopt.tests import cast

pytestmark = pytest.mark.django_db


def test_a_new_token_and_ten_more_minutes_for_the_old(slot, url, now):
    answer = slot.api.post(url("rotate-token"))
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    body = answer.json()
    assert (body["status"], body["instance_id"]) == ("success", slot.primary.instance_id)
    caller = support.caller(body["agent_token"], now)
    assert (caller.agent_id, caller.instance_id) == (slot.agent.pk, slot.primary.instance_id)
    assert auth.authenticate_text(slot.token, now + timedelta(minutes=9))
    assert auth.authenticate_text(slot.token, now + timedelta(minutes=11)) is None
    assert cast.bearer(body["agent_token"]).get(url("config")).status_code == 200


def test_a_client_token_rotates_a_named_machines(acme_api, slot, standby, url, now):
    body = acme_api.post(
        url("rotate-token"), {"instance_id": standby.instance_id}, format="json"
    ).json()
    caller = support.caller(body["agent_token"], now)
    assert caller.instance_id == standby.instance_id
    assert auth.authenticate_text(slot.token, now + timedelta(hours=1))


def test_a_standbys_token_stays_its_own(standby_api, standby, url, now):
    body = standby_api.post(url("rotate-token"), {}, format="json").json()
    assert support.caller(body["agent_token"], now).instance_id == standby.instance_id


def test_not_for_another_machine(slot, standby, url):
    body = {"instance_id": standby.instance_id}
    assert slot.api.post(url("rotate-token"), body, format="json").status_code == 403


def test_a_fenced_machine_gets_none(slot, standby, url):
    support.move(slot.primary, standby)
    assert slot.api.post(url("rotate-token")).json()["code"] == "superseded"


@pytest.mark.parametrize("body", [{"instance_id": 5}, {"instance_id": "x"}, [1], "x"])
def test_bad_input(slot, url, body):
    assert slot.api.post(url("rotate-token"), body, format="json").status_code == 400
