"""Endpoint 3: what a machine is told."""

import pytest

from agents.models import Agent
from agents.tests import support

pytestmark = pytest.mark.django_db


def test_the_settings(slot, url):
    answer = slot.api.get(url("config"))
    assert answer.status_code == 200
    assert answer.json() == {
        "enabled": True,
        "auto_switch_enabled": True,
        "auto_terminate_enabled": False,
        "manual_replica_enabled": False,
        "target_savings_percent": 50,
        "max_switches_per_day": 3,
        "cooldown_minutes": 120,
        "min_savings_threshold": 0.3,
        "max_risk_score": 0.3,
        "quiesce_seconds": 0,
        "sync_kind": "none",
        "terminate_wait_seconds": 300,
        "config_version": 1,
        "role": "primary",
        "heartbeat_seconds": 30,
        "price_report_seconds": 300,
        "metadata_poll_seconds": 2,
    }


def test_it_is_the_agents_own(slot, url):
    Agent.objects.update(cooldown_minutes=7, manual_replica_enabled=True, auto_switch_enabled=False)
    got = slot.api.get(url("config")).json()
    assert (got["cooldown_minutes"], got["manual_replica_enabled"]) == (7, True)


def test_a_standby_is_told_so(standby_api, url):
    assert standby_api.get(url("config")).json()["role"] == "standby"


def test_a_client_token_asks_for_a_machine(acme_api, slot, standby, url):
    assert acme_api.get(url("config")).json()["role"] == "primary"
    got = acme_api.get(url("config"), {"instance_id": standby.instance_id})
    assert got.json()["role"] == "standby"


def test_a_fenced_machine_is_told(slot, standby, url):
    support.move(slot.primary, standby)
    answer = slot.api.get(url("config"))
    assert (answer.status_code, answer.json()["code"]) == (409, "superseded")


def test_in_few_queries(slot, url, django_assert_max_num_queries):
    slot.api.get(url("config"))
    with django_assert_max_num_queries(4):
        slot.api.get(url("config"))
