"""Endpoints 37, 38 and 39: people and their software set an agent."""

from datetime import timedelta

import pytest

from agents import commands, configuration
from agents.models import Agent, Command
from agents.tests import support
from agents.tests.support import fresh
from clients import feed
from spotopt.lib.errors import BadInput, Conflict
from spotopt.tests import cast
from spotopt.tests.cast import NOON

pytestmark = pytest.mark.django_db
SETTINGS = {
    "auto_switch_enabled": True,
    "auto_terminate_enabled": False,
    "manual_replica_enabled": False,
    "target_savings_percent": 60,
    "max_switches_per_day": 3,
}
CONFIG = {"cooldown_minutes": 180, "min_savings_threshold": 0.30, "max_risk_score": 0.50}


@pytest.fixture
def post(slot):
    """`post(api, "settings", body)`."""
    return lambda api, tail, body: api.post(
        f"/api/client/agents/{slot.agent.pk}/{tail}", body, format="json"
    )


def update(agent, *, now=NOON, **changes):
    return configuration.update(agent=agent, changes=changes, by="alice", now=now)


class TestWire:
    def test_settings(self, post, acme_api, slot):
        answer = post(acme_api, "settings", SETTINGS)
        assert answer.status_code == 200
        assert answer.json() == {"status": "success", "message": "Settings updated successfully"}
        assert fresh(slot.agent).target_savings_percent == 60

    def test_config(self, post, as_user, alice, slot):
        answer = post(as_user(alice), "config", CONFIG)
        assert answer.json() == {"status": "success", "message": "Configuration updated"}
        agent = fresh(slot.agent)
        assert (agent.cooldown_minutes, agent.max_risk_score) == (180, 0.5)

    @pytest.mark.parametrize("enabled", [False, True])
    def test_toggle(self, post, staff_api, slot, enabled):
        answer = post(staff_api, "toggle-enabled", {"enabled": enabled})
        assert answer.json() == {"status": "success", "enabled": enabled}
        assert fresh(slot.agent).enabled is enabled

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "enabled"),
            ({"enabled": "no"}, "enabled"),
            ({"enabled": None}, "enabled"),
            ({"enabled": 0}, "enabled"),
            ({"enabled": False, "cooldown_minutes": 1}, "cooldown_minutes"),
            ({"x" * 500: 1, "enabled": True}, "x" * 80),
        ],
    )
    def test_a_toggle_that_is_none(self, post, acme_api, slot, body, field):
        answer = post(acme_api, "toggle-enabled", body)
        assert answer.status_code == 400
        assert list(answer.json()["errors"]) == [field]
        assert fresh(slot.agent).enabled is True

    @pytest.mark.parametrize("tail", ["settings", "config"])
    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"colour": "red"}, "colour"),
            ({"target_savings_percent": 101}, "target_savings_percent"),
            ({"max_risk_score": -1}, "max_risk_score"),
            ({"config_version": 9}, "config_version"),
            ({"status": "online"}, "status"),
            ({"client_id": "x"}, "client_id"),
            ({"cooldown_minutes": 1, "quiesce_seconds": "long"}, "quiesce_seconds"),
        ],
    )
    def test_bad_input_names_its_field_and_changes_nothing(
        self, post, acme_api, slot, tail, body, field
    ):
        before = Agent.objects.values().get()
        answer = post(acme_api, tail, body)
        assert answer.status_code == 400
        assert list(answer.json()["errors"]) == [field]
        assert Agent.objects.values().get() == before
        assert not Command.objects.exists()

    @pytest.mark.parametrize("tail", ["settings", "config", "toggle-enabled"])
    @pytest.mark.parametrize("body", [[], None, 1, "x", [{"enabled": True}], {}])
    def test_a_body_that_is_no_object(self, post, acme_api, tail, body):
        answer = post(acme_api, tail, body)
        assert answer.status_code == 400
        assert answer.json()["status"] == "error"

    def test_bob_may_look_only(self, post, as_user, bob, slot):
        assert post(as_user(bob), "settings", SETTINGS).status_code == 403
        assert fresh(slot.agent).target_savings_percent == 50

    def test_olga_operates(self, post, as_user, olga):
        assert post(as_user(olga), "settings", SETTINGS).status_code == 200

    def test_charlie_finds_nothing(self, post, as_user, charlie):
        assert post(as_user(charlie), "settings", SETTINGS).status_code == 404

    def test_the_machine_itself_may_not(self, post, slot):
        assert post(slot.api, "settings", SETTINGS).status_code == 403

    def test_both_at_once_is_refused(self, post, acme_api, slot):
        both = {"auto_switch_enabled": True, "manual_replica_enabled": True}
        answer = post(acme_api, "settings", both | {"cooldown_minutes": 1})
        assert answer.status_code == 400
        assert set(answer.json()["errors"]) == set(both)
        assert fresh(slot.agent).cooldown_minutes == 120

    def test_into_manual_mode_and_back(self, post, acme_api, slot):
        alone = {"manual_replica_enabled": True}
        assert post(acme_api, "settings", alone).status_code == 400
        into = alone | {"auto_switch_enabled": False, "auto_terminate_enabled": False}
        assert post(acme_api, "settings", into).status_code == 200
        assert post(acme_api, "settings", {"auto_switch_enabled": True}).status_code == 400
        back = {"manual_replica_enabled": False, "auto_switch_enabled": True}
        assert post(acme_api, "settings", back).status_code == 200
        agent = fresh(slot.agent)
        assert (agent.auto_switch_enabled, agent.manual_replica_enabled) == (True, False)

    def test_a_terminated_agents_settings_are_history(self, post, acme_api, slot):
        support.terminate(slot.agent)
        assert post(acme_api, "settings", SETTINGS).status_code == 409


class TestUpdate:
    def test_a_change_is_counted_and_told_to_the_primary(self, slot, standby):
        agent = update(slot.agent, cooldown_minutes=5, quiesce_seconds=10)
        assert agent.config_version == 2
        command = Command.objects.get()
        assert (command.instance, command.command_type) == (slot.primary, "update_config")

    def test_no_change_is_not(self, slot):
        assert update(slot.agent, cooldown_minutes=120).config_version == 1
        assert not Command.objects.exists()
        assert support.told("settings_changed") == []

    def test_a_second_change_is_a_second_command(self, slot):
        """The first may have been fetched already, with the settings of then."""
        update(slot.agent, cooldown_minutes=5)
        commands.pending(slot.primary, now=NOON)
        update(slot.agent, cooldown_minutes=6, now=NOON + timedelta(seconds=1))
        assert [c.status for c in Command.objects.order_by("created_at")] == ["expired", "pending"]

    def test_a_slot_without_a_primary_is_set_too(self, client_acme):
        agent = cast.make_agent(client_acme)
        assert update(agent, cooldown_minutes=5).config_version == 2
        assert not Command.objects.exists()

    def test_people_see_who_set_what(self, slot):
        update(slot.agent, cooldown_minutes=5)
        (message,) = support.told("settings_changed")
        assert message.startswith("alice set cooldown_minutes = 5 ")

    def test_the_guard_is_woken(self, slot, monkeypatch):
        woken = []
        monkeypatch.setattr(feed, "wake_guard", lambda: woken.append(True))
        update(slot.agent, auto_switch_enabled=False, manual_replica_enabled=True)
        assert woken

    def test_a_heartbeats_columns_are_left_alone(self, slot):
        stale = slot.agent
        Agent.objects.update(status=Agent.Status.OFFLINE, state={"a": 1})
        agent = update(stale, cooldown_minutes=5)
        assert (agent.status, agent.state) == ("offline", {"a": 1})

    def test_the_rival_in_between_is_seen(self, slot):
        """What excludes what is judged by the row under lock, not by the one in hand."""
        stale = fresh(slot.agent)
        update(slot.agent, auto_switch_enabled=False, manual_replica_enabled=True)
        stale.auto_switch_enabled = False
        with pytest.raises(BadInput):
            update(stale, auto_switch_enabled=True)
        with pytest.raises(BadInput):
            update(stale, auto_switch_enabled=True, manual_replica_enabled=True)

    @pytest.mark.django_db(transaction=True)
    def test_two_that_set_one_each(self, slot, monkeypatch):
        """Each sees the other off when it begins; the second is refused, not both let in."""
        update(slot.agent, auto_switch_enabled=False)
        lock = type(Agent.objects.all()).select_for_update
        rival = [lambda: update(slot.agent, manual_replica_enabled=True)]

        def patched(self, *args, **options):
            if rival:
                support.elsewhere(rival.pop())
            return lock(self, *args, **options)

        monkeypatch.setattr(type(Agent.objects.all()), "select_for_update", patched)
        with pytest.raises(BadInput):
            update(slot.agent, auto_switch_enabled=True)
        agent = fresh(slot.agent)
        assert (agent.auto_switch_enabled, agent.manual_replica_enabled) == (False, True)

    def test_withdrawn_meanwhile(self, slot):
        support.terminate(slot.agent)
        with pytest.raises(Conflict):
            update(slot.agent, cooldown_minutes=5)
