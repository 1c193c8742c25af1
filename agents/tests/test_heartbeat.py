"""Endpoint 2, and what a heartbeat may and may not write."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents import heartbeats
from agents.heartbeats import Beat
from agents.models import Agent, Instance
from agents.tests import support
from agents.tests.support import fresh
from spotopt.tests.cast import NOON

pytestmark = pytest.mark.django_db
BODY = {
    "status": "online",
    "current_mode": "spot",
    "instance_id": "i-0acme0000000001",
    "uptime_seconds": 3600,
}


def beat(instance, *, now=NOON, **told):
    return heartbeats.record(instance=instance, beat=Beat(**told), now=now)


def test_the_answer(slot, url):
    answer = slot.api.post(url("heartbeat"), BODY, format="json")
    assert answer.status_code == 200
    body = answer.json()
    assert body.pop("server_time").endswith("Z")
    assert body == {"status": "success", "has_pending_commands": False, "role": "primary"}


def test_it_says_that_a_command_waits(slot, url, now):
    support.issue(slot.primary, now=now)
    answer = slot.api.post(url("heartbeat"), BODY, format="json")
    assert answer.json()["has_pending_commands"] is True


@pytest.mark.parametrize("age", [timedelta(hours=2)])
def test_an_expired_command_does_not_wait(slot, url, now, age):
    support.issue(slot.primary, now=now - age)
    answer = slot.api.post(url("heartbeat"), BODY, format="json")
    assert answer.json()["has_pending_commands"] is False


def test_a_standby_is_told_its_role_and_not_the_primarys_commands(
    slot, standby_api, url, now, standby
):
    support.issue(slot.primary, now=now)
    body = standby_api.post(url("heartbeat"), {}, format="json").json()
    assert (body["role"], body["has_pending_commands"]) == ("standby", False)


def test_a_primarys_beat(slot):
    assert beat(slot.primary, uptime_seconds=60) is False
    agent, instance = fresh(slot.agent), fresh(slot.primary)
    assert agent.last_heartbeat_at == NOON
    assert agent.stale_after == NOON + timedelta(seconds=90)
    assert instance.last_heartbeat_at == NOON
    assert instance.suspect_after == NOON + timedelta(seconds=47)
    assert instance.uptime_seconds == 60


@pytest.mark.parametrize(("interval", "seconds"), [(30, 47), (2, 5), (0.5, 2.75), (3600, 47)])
def test_suspicion_follows_the_machines_own_interval(slot, interval, seconds):
    beat(slot.primary, interval_seconds=interval)
    assert fresh(slot.primary).suspect_after == NOON + timedelta(seconds=seconds)


def test_a_standby_never_touches_the_agent(slot, standby):
    before = Agent.objects.filter(pk=slot.agent.pk).values().get()
    beat(standby, state={"from": "a standby"})
    assert Agent.objects.filter(pk=slot.agent.pk).values().get() == before
    assert fresh(standby).last_heartbeat_at == NOON


def test_a_standby_does_not_hide_the_primarys_silence(slot, standby):
    later = fresh(slot.agent).stale_after + timedelta(seconds=1)
    beat(standby, now=later)
    assert heartbeats.mark_silent(now=later) == [slot.agent]


def test_two_updates_for_a_primary_one_for_a_standby(slot, standby):
    for instance, most in ((slot.primary, 2), (standby, 1)):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            beat(instance, metrics={"cpu_utilization": 1.0}, state={}, hooks=["sync"])
        assert len(queries) == most


def test_the_whole_request_in_few_queries(slot, url):
    slot.api.post(url("heartbeat"), BODY, format="json")  # the token's use is noted once a minute
    with CaptureQueriesContext(connection) as queries:
        slot.api.post(url("heartbeat"), BODY, format="json")
    assert len(queries) <= 6, [query["sql"] for query in queries]


def test_it_undoes_nobodys_toggle(slot):
    stale = slot.primary  # as read before the toggle
    Agent.objects.filter(pk=slot.agent.pk).update(enabled=False, config_version=7)
    beat(stale, state={"a": 1})
    agent = fresh(slot.agent)
    assert (agent.enabled, agent.config_version, agent.state) == (False, 7, {"a": 1})


def test_what_is_not_told_stays(slot):
    beat(slot.primary, metrics={"cpu_utilization": 5.0}, hooks=["sync"], state={"a": 1})
    beat(slot.primary, now=NOON + timedelta(seconds=30))
    instance, agent = fresh(slot.primary), fresh(slot.agent)
    assert instance.metrics == {"cpu_utilization": 5.0}
    assert instance.metrics_at == NOON
    assert instance.hooks == ["sync"]
    assert (agent.state, agent.state_at) == ({"a": 1}, NOON)


def test_coming_back_is_told_once(slot):
    Agent.objects.filter(pk=slot.agent.pk).update(status=Agent.Status.OFFLINE)
    primary = Instance.objects.select_related("agent").get(pk=slot.primary.pk)
    assert beat(primary) is True
    assert beat(primary) is False
    assert fresh(slot.agent).status == "online"
    assert len(support.told("agent_online")) == 1


def test_back_online_although_read_as_online(slot):
    """The sweep came between reading the agent and writing its beat."""
    primary = slot.primary
    Agent.objects.filter(pk=slot.agent.pk).update(status=Agent.Status.OFFLINE)
    assert primary.agent.status == Agent.Status.ONLINE
    assert beat(primary) is True
    assert fresh(slot.agent).status == "online"


def test_a_machine_superseded_since_it_was_read_speaks_for_the_slot_no_longer(slot, standby):
    stale = fresh(slot.primary)
    support.move(slot.primary, standby)
    heard = fresh(slot.agent)
    beat(stale, now=NOON + timedelta(hours=1), state={"stale": True})
    agent = fresh(slot.agent)
    assert (agent.stale_after, agent.state) == (heard.stale_after, heard.state)


def test_a_terminated_agent_stays_so(slot):
    support.terminate(slot.agent)
    assert beat(slot.primary) is False
    assert fresh(slot.agent).status == "terminated"


def test_a_fenced_machine_is_told(slot, standby, url):
    support.move(slot.primary, standby)
    answer = slot.api.post(url("heartbeat"), BODY, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "superseded")
    assert answer.json()["status"] == "error"


def test_a_client_token_beats_for_the_named_machine(acme_api, slot, standby, url):
    body = BODY | {"instance_id": standby.instance_id}
    assert acme_api.post(url("heartbeat"), body, format="json").json()["role"] == "standby"
    without = {"status": "online"}
    assert acme_api.post(url("heartbeat"), without, format="json").json()["role"] == "primary"


def test_metrics_and_state_over_the_wire(slot, url):
    metrics = {"cpu_utilization": 45.2, "memory_utilization": None, "network_in_mbps": 0}
    body = BODY | {"metrics": metrics, "state": {"jobs": [1, 2]}, "hooks": ["sync"]}
    assert slot.api.post(url("heartbeat"), body, format="json").status_code == 200
    instance = fresh(slot.primary)
    assert instance.metrics["cpu_utilization"] == 45.2
    assert instance.metrics["memory_utilization"] is None
    assert instance.hooks == ["sync"]
    assert fresh(slot.agent).state == {"jobs": [1, 2]}


def test_a_state_of_the_full_size_passes_and_one_byte_more_does_not(slot, url):
    def state(size):
        return {"x": "a" * (size - len('{"x":""}'))}

    limit = 256 * 1024
    fits = slot.api.post(url("heartbeat"), {"state": state(limit)}, format="json")
    assert fits.status_code == 200
    over = slot.api.post(url("heartbeat"), {"state": state(limit + 1)}, format="json")
    assert over.status_code == 413
    assert list(over.json()["errors"]) == ["state"]
    assert fresh(slot.agent).state == state(limit)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("uptime_seconds", -1),
        ("uptime_seconds", "soon"),
        ("uptime_seconds", True),
        ("uptime_seconds", 10**30),
        ("uptime_seconds", None),
        ("interval_seconds", 0),
        ("interval_seconds", "nan"),
        ("interval_seconds", []),
        ("current_mode", "reserved"),
        ("current_mode", {}),
        ("instance_id", "x"),
        ("instance_id", 5),
        ("metrics", []),
        ("metrics", "high"),
        ("metrics", {"cpu_utilization": 101}),
        ("metrics", {"cpu_utilization": "NaN"}),
        ("metrics", {"network_in_mbps": "inf"}),
        ("metrics", {"network_in_mbps": 10**400}),
        ("state", []),
        ("state", "text"),
        ("state", 0),
        ("hooks", "sync"),
        ("hooks", [{}]),
        ("hooks", ["x"] * 51),
        ("hooks", ["x" * 65]),
        ("status", {}),
        ("status", "x" * 33),
        ("agent_version", "x" * 33),
    ],
)
def test_bad_input_names_its_field(slot, url, field, value):
    before = fresh(slot.primary).last_heartbeat_at
    answer = slot.api.post(url("heartbeat"), {field: value}, format="json")
    assert answer.status_code == 400
    assert next(iter(answer.json()["errors"])).split(".")[0] == field
    assert fresh(slot.primary).last_heartbeat_at == before


def test_a_state_nested_too_deeply(slot, url):
    state: dict[str, object] = {}
    for _ in range(70):
        state = {"a": state}
    answer = slot.api.post(url("heartbeat"), {"state": state}, format="json")
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == ["state"]


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "null",
        "1",
        '"x"',
        "{",
        "NaN",
        '{"uptime_seconds": NaN}',
        '{"uptime_seconds": 1e999}',
        '{"state": {"a": "\\u0000"}}',
        '{"status": "\\u0000"}',
        '{"state": {"\\ud800": 1}}',
        "[" * 100_000,
        '{"uptime_seconds": ' + "9" * 5000 + "}",
        "\xff",
    ],
)
def test_a_body_that_is_no_object_is_a_400(slot, url, body):
    answer = slot.api.generic(
        "POST", url("heartbeat"), body.encode("latin-1"), content_type="application/json"
    )
    assert answer.status_code == 400
    assert answer.json()["status"] == "error"


def test_another_content_type_is_a_415(slot, url):
    assert slot.api.post(url("heartbeat"), "a=1", content_type="text/plain").status_code == 415


def test_the_wrong_method_is_a_405(slot, url):
    assert slot.api.get(url("heartbeat")).status_code == 405


def test_another_clients_machine_is_not_found(other_slot, url):
    assert other_slot.api.post(url("heartbeat"), BODY, format="json").status_code == 404


def test_a_strangers_bad_body_still_reads_not_found(other_slot, url):
    answer = other_slot.api.post(url("heartbeat"), {"uptime_seconds": "x"}, format="json")
    assert answer.status_code == 404
