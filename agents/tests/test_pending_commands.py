"""Endpoint 4 for those who don't wait."""

import pytest

from agents.models import Command
from agents.tests import support
from agents.tests.support import fresh, issue

pytestmark = pytest.mark.django_db


def test_nothing_waits(slot, url):
    answer = slot.api.get(url("pending-commands"))
    assert (answer.status_code, answer.json()) == (200, {"commands": []})


def test_a_command_on_the_wire(slot, url, now):
    command = issue(
        slot.primary,
        now=now,
        command_type=Command.Type.SWITCH,
        priority=Command.Priority.DECISION,
        parameters={"target_mode": "spot", "target_pool_id": "t3.medium.use1-az2", "reason": "x"},
    )
    (got,) = slot.api.get(url("pending-commands")).json()["commands"]
    assert got.pop("created_at").endswith("Z")
    assert got.pop("expires_at").endswith("Z")
    assert got == {
        "command_id": str(command.pk),
        "command_type": "switch",
        "priority": 25,
        "parameters": {
            "target_mode": "spot",
            "target_pool_id": "t3.medium.use1-az2",
            "reason": "x",
        },
    }
    assert fresh(command).status == "delivered"


def test_a_standby_takes_only_its_own(slot, standby, standby_api, url, now):
    issue(slot.primary, now=now)
    mine = issue(standby, now=now)
    got = standby_api.get(url("pending-commands")).json()["commands"]
    assert [one["command_id"] for one in got] == [str(mine.pk)]


def test_a_client_token_takes_the_primarys_or_the_named_machines(slot, standby, acme_api, url, now):
    first, second = issue(slot.primary, now=now), issue(standby, now=now)
    got = acme_api.get(url("pending-commands")).json()["commands"]
    assert [one["command_id"] for one in got] == [str(first.pk)]
    got = acme_api.get(url("pending-commands"), {"instance_id": standby.instance_id}).json()
    assert [one["command_id"] for one in got["commands"]] == [str(second.pk)]


@pytest.mark.parametrize("wait", ["-1", "26", "1e1", "x", "", "nan", "inf", "9" * 50, "1.5", "٣"])
def test_a_wait_that_is_none(slot, url, wait):
    answer = slot.api.get(url("pending-commands"), {"wait": wait})
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == ["wait"]


def test_a_fenced_machine_is_told(slot, standby, url):
    support.move(slot.primary, standby)
    answer = slot.api.get(url("pending-commands"))
    assert (answer.status_code, answer.json()["code"]) == (409, "superseded")


def test_a_named_machine_that_is_not_there(acme_api, url, slot):
    answer = acme_api.get(url("pending-commands"), {"instance_id": "i-0\x00"})
    assert answer.status_code in (400, 404)
