"""`POST …/events`: each once, and what follows from it."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents import events, workload
from agents.events import Event
from agents.models import AgentEvent, Instance
from agents.tests import support
from agents.tests.support import fresh, move
from spotopt.tests.cast import NOON

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
WIRE = {
    "event_id": "boot-1/7",
    "kind": "agent_started",
    "at": "2026-03-01T12:00:00Z",
    "data": {"version": "0.1.0"},
}


def saw(instance, kind="agent_started", at=NOON, event_id="", now=NOON, **data):
    event = Event(event_id=event_id or f"{kind}@{at}", kind=kind, at=at, data=data)
    return events.accept(instance=instance, events=[event], now=now)


@pytest.fixture
def post(url):
    """`post(api, events)`."""
    return lambda api, batch, **extra: api.post(
        url("events"), {"events": batch, **extra}, format="json"
    )


class TestOnce:
    def test_kept(self, slot, post):
        answer = post(slot.api, [WIRE])
        assert answer.status_code == 200
        assert answer.json() == {"status": "success", "accepted": 1, "duplicates": 0}
        row = AgentEvent.objects.get()
        assert (row.event_id, row.kind, row.at) == ("boot-1/7", "agent_started", NOON)
        assert (row.data, row.instance, row.agent) == (WIRE["data"], slot.primary, slot.agent)

    def test_delivered_twice(self, slot, post):
        post(slot.api, [WIRE])
        again = post(slot.api, [WIRE, WIRE | {"event_id": "boot-1/8"}])
        assert again.json() == {"status": "success", "accepted": 1, "duplicates": 1}
        assert AgentEvent.objects.count() == 2

    def test_twice_in_one_batch(self, slot, post):
        answer = post(slot.api, [WIRE, WIRE])
        assert answer.json() == {"status": "success", "accepted": 1, "duplicates": 1}

    def test_ids_are_each_machines_own(self, slot, standby, standby_api, post):
        post(slot.api, [WIRE])
        assert post(standby_api, [WIRE]).json()["accepted"] == 1

    def test_a_client_token_names_the_machine(self, acme_api, slot, standby, post):
        post(acme_api, [WIRE], instance_id=standby.instance_id)
        assert AgentEvent.objects.get().instance == standby

    def test_none_is_fine(self, slot, post):
        assert post(slot.api, []).json()["accepted"] == 0

    def test_a_kind_we_do_not_know_yet_is_kept(self, slot, post):
        assert post(slot.api, [WIRE | {"kind": "something_new"}]).json()["accepted"] == 1

    def test_a_full_batch_in_few_statements(self, slot):
        batch = [Event(str(n), "agent_started", NOON, {}) for n in range(500)]
        with CaptureQueriesContext(connection) as queries:
            kept = events.accept(instance=slot.primary, events=batch, now=NOON)
        assert kept.accepted == 500
        assert len([q for q in queries if "SAVEPOINT" not in q["sql"]]) <= 3

    @pytest.mark.django_db(transaction=True)
    def test_the_same_batch_on_two_connections(self, slot, monkeypatch):
        """The rival's delivery commits before ours has its lock: ours is the duplicate."""
        rows = type(Instance.objects.all())
        lock = rows.select_for_update
        rival = [lambda: saw(fresh(slot.primary), "clock_skew", seconds=9)]

        def patched(self, *args, **options):
            if rival:
                support.elsewhere(rival.pop())
            return lock(self, *args, **options)

        monkeypatch.setattr(rows, "select_for_update", patched)
        kept = saw(slot.primary, "clock_skew", seconds=9)
        assert (kept.accepted, kept.duplicates) == (0, 1)
        assert len(support.told("clock_skew")) == 1


class TestRefused:
    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"event_id": ""}, "event_id"),
            ({"event_id": "x" * 129}, "event_id"),
            ({"event_id": None}, "event_id"),
            ({"event_id": {}}, "event_id"),
            ({"kind": "Not A Kind"}, "kind"),
            ({"kind": "x" * 41}, "kind"),
            ({"kind": []}, "kind"),
            ({"at": "yesterday"}, "at"),
            ({"at": "2026-03-01T12:00:00"}, "at"),
            ({"at": 1}, "at"),
            ({"at": None}, "at"),
            ({"at": "0001-01-01T00:00:00Z"}, "at"),
            ({"at": "9999-12-31T23:59:59Z"}, "at"),
            ({"data": []}, "data"),
            ({"data": "x"}, "data"),
        ],
    )
    def test_one_bad_event_refuses_the_batch(self, slot, post, change, field):
        answer = post(slot.api, [WIRE, WIRE | {"event_id": "2"} | change])
        assert answer.status_code == 400
        assert list(answer.json()["errors"]) == [f"events.1.{field}"]
        assert not AgentEvent.objects.exists()

    @pytest.mark.parametrize("batch", [None, {}, "x", [1], [[]], [None]])
    def test_what_is_no_batch(self, slot, post, batch):
        answer = post(slot.api, batch)
        assert answer.status_code == 400
        assert next(iter(answer.json()["errors"])).startswith("events")

    def test_too_many(self, slot, post):
        answer = post(slot.api, [WIRE | {"event_id": str(n)} for n in range(501)])
        assert answer.status_code == 400

    def test_too_large(self, slot, post):
        assert post(slot.api, [WIRE | {"data": {"x": "a" * 9000}}]).status_code == 413

    def test_a_fenced_machines_are_refused_and_change_nothing(self, slot, standby, post):
        move(slot.primary, standby)
        answer = post(slot.api, [WIRE | {"kind": "workload_stopped"}])
        assert (answer.status_code, answer.json()["code"]) == (409, "superseded")
        assert not AgentEvent.objects.exists()


class TestSwitchTimes:
    def test_stop_before_and_start_after_the_promotion(self, slot, standby):
        saw(slot.primary, workload.STOPPED, NOON - 5 * SECOND)
        switch = move(slot.primary, standby)
        saw(standby, workload.STARTED, NOON + 2 * SECOND, now=NOON + 3 * SECOND)
        assert fresh(switch).downtime_seconds == 7

    def test_a_stop_that_is_heard_after_the_promotion(self, slot, standby):
        switch = move(slot.primary, standby)
        saw(slot.primary, workload.STOPPED, NOON + SECOND, now=NOON + SECOND)
        saw(standby, workload.STARTED, NOON + 3 * SECOND, now=NOON + 3 * SECOND)
        assert fresh(switch).downtime_seconds == 2

    def test_the_first_report_counts(self, slot, standby):
        switch = move(slot.primary, standby)
        saw(standby, workload.STARTED, NOON + SECOND)
        saw(standby, workload.STARTED, NOON + 60 * SECOND)
        assert fresh(switch).workload_started_at == NOON + SECOND

    def test_each_machine_fills_its_own_side(self, slot, standby):
        switch = move(slot.primary, standby)
        saw(standby, workload.STOPPED, NOON + SECOND)
        saw(slot.primary, workload.STARTED, NOON + SECOND)
        switch = fresh(switch)
        assert (switch.workload_stopped_at, switch.workload_started_at) == (None, None)

    def test_a_clock_far_ahead_tells_nothing(self, slot, standby):
        switch = move(slot.primary, standby)
        saw(standby, workload.STARTED, NOON + timedelta(hours=1))
        assert fresh(switch).workload_started_at is None

    def test_a_stop_long_before_the_switch_is_another_story(self, slot, standby):
        switch = move(slot.primary, standby)
        saw(slot.primary, workload.STOPPED, NOON - timedelta(days=1))
        assert fresh(switch).workload_stopped_at is None

    def test_a_batch_out_of_order_is_read_in_the_order_of_its_times(self, slot, standby):
        switch = move(slot.primary, standby)
        batch = [
            Event("b", workload.STARTED, NOON + 9 * SECOND, {}),
            Event("a", workload.STARTED, NOON + 2 * SECOND, {}),
        ]
        events.accept(instance=standby, events=batch, now=NOON + 10 * SECOND)
        assert fresh(switch).workload_started_at == NOON + 2 * SECOND

    def test_without_a_switch_nothing_happens(self, slot):
        assert saw(slot.primary, workload.STARTED).accepted == 1


class TestConcern:
    @pytest.mark.parametrize(
        ("kind", "data", "words"),
        [
            ("hook_finished", {"hook": "sync", "exit_code": 1}, "hook sync failed"),
            ("hook_finished", {"hook": "sync", "exit_code": "timeout"}, "timeout"),
            ("clock_skew", {"seconds": 400}, "400"),
        ],
    )
    def test_people_are_told(self, slot, kind, data, words):
        saw(slot.primary, kind, **data)
        (message,) = support.told(kind)
        assert slot.primary.instance_id in message
        assert words in message

    @pytest.mark.parametrize(
        ("kind", "data"),
        [
            ("hook_finished", {"hook": "sync", "exit_code": 0}),
            ("hook_finished", {}),
            ("agent_started", {}),
            ("notice_seen", {"time": "x"}),
        ],
    )
    def test_or_not(self, slot, kind, data):
        saw(slot.primary, kind, **data)
        assert support.told(kind) == []

    def test_a_long_story_is_cut(self, slot):
        saw(slot.primary, "hook_finished", hook="x" * 5000, exit_code=["y" * 5000])
        assert len(support.told("hook_finished")[0]) < 250
