"""The admin: settings by the same rules, histories to look at only."""

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agents import configuration_rules, events
from agents.events import Event
from agents.models import Agent, AgentEvent, Command, Instance, Switch
from agents.tests import support
from agents.tests.support import fresh
from spotopt.tests import cast
from spotopt.tests.cast import NOON

pytestmark = pytest.mark.django_db
HISTORIES = [Instance, Command, Switch, AgentEvent]
MODELS = [Agent, *HISTORIES]


@pytest.fixture
def browser(staff):
    """Staff at the admin."""
    one = Browser()
    one.force_login(staff)
    return one


@pytest.fixture
def past(slot, standby):
    """Something in every history."""
    support.issue(slot.primary)
    event = Event("1", "agent_started", NOON, {})
    events.accept(instance=slot.primary, events=[event], now=NOON)
    support.move(slot.primary, standby)


def page(model, name="changelist", *args):
    return reverse(f"admin:agents_{model._meta.model_name}_{name}", args=args)


def form(agent, **changes):
    """What the browser would post: all settings, boxes only where ticked."""
    values = {name: getattr(agent, name) for name in configuration_rules.FIELDS} | changes
    return {
        name: "on" if value is True else value
        for name, value in values.items()
        if value is not False
    }


@pytest.mark.parametrize("model", MODELS)
def test_lists_and_their_search(browser, past, model):
    assert browser.get(page(model)).status_code == 200
    answer = browser.get(page(model), {"q": "i-0acme"})
    assert answer.status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_every_filter(browser, past, model):
    for name in admin.site._registry[model].list_filter:
        answer = browser.get(page(model), {f"{name}__exact": "x"})
        assert answer.status_code in (200, 302), name


@pytest.mark.parametrize("model", MODELS)
def test_a_row_can_be_looked_at(browser, past, model):
    row = model.objects.first()
    assert browser.get(page(model, "change", row.pk)).status_code == 200


@pytest.mark.parametrize("model", HISTORIES)
def test_histories_are_not_written(browser, past, model):
    row = model.objects.first()
    before = model.objects.values().get(pk=row.pk)
    assert browser.post(page(model, "change", row.pk), {}).status_code == 403
    assert browser.get(page(model, "add")).status_code == 403
    assert browser.post(page(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert model.objects.values().get(pk=row.pk) == before


@pytest.mark.parametrize("model", MODELS)
def test_the_budget_of_a_list(browser, client_acme, model):
    def fill(numbers):
        for number in numbers:
            one = cast.make_slot(client_acme, f"i-0acme{number}")
            support.issue(one.primary)
            event = Event("1", "agent_started", NOON, {})
            events.accept(instance=one.primary, events=[event], now=NOON)
            second = cast.make_instance(one.agent, f"i-0standby{number}", role="standby")
            support.move(one.primary, second)

    def count():
        with CaptureQueriesContext(connection) as queries:
            browser.get(page(model))
        return len(queries)

    fill(range(2))
    few = count()
    fill(range(2, 8))
    assert count() == few


def test_agents_are_neither_added_nor_deleted(browser, slot):
    assert browser.get(page(Agent, "add")).status_code == 403
    assert browser.post(page(Agent, "delete", slot.agent.pk), {"post": "yes"}).status_code == 403


def test_a_setting_is_changed_through_the_domain(browser, slot):
    answer = browser.post(
        page(Agent, "change", slot.agent.pk), form(slot.agent, cooldown_minutes=5)
    )
    assert answer.status_code == 302
    agent = fresh(slot.agent)
    assert (agent.cooldown_minutes, agent.config_version) == (5, 2)
    assert Command.objects.get().command_type == "update_config"
    assert support.told("settings_changed")[0].startswith("staff set cooldown_minutes = 5")


def test_saving_nothing_changes_nothing(browser, slot):
    browser.post(page(Agent, "change", slot.agent.pk), form(slot.agent))
    assert fresh(slot.agent).config_version == 1


def test_a_save_undoes_no_heartbeat(browser, slot):
    heard = fresh(slot.agent).last_heartbeat_at
    Agent.objects.update(status=Agent.Status.OFFLINE)
    browser.post(page(Agent, "change", slot.agent.pk), form(slot.agent, cooldown_minutes=5))
    agent = fresh(slot.agent)
    assert (agent.status, agent.last_heartbeat_at) == ("offline", heard)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"manual_replica_enabled": True}, "exclude each other"),
        ({"quiesce_seconds": 91}, "90"),
        ({"target_group_arn": "web"}, "ARN"),
        ({"max_switches_per_day": 5000}, "1000"),
    ],
)
def test_the_rules_of_the_api_hold(browser, slot, changes, words):
    answer = browser.post(page(Agent, "change", slot.agent.pk), form(slot.agent, **changes))
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert fresh(slot.agent).config_version == 1


def test_into_manual_mode_with_both_boxes(browser, slot):
    changes = {"manual_replica_enabled": True, "auto_switch_enabled": False}
    browser.post(page(Agent, "change", slot.agent.pk), form(slot.agent, **changes))
    agent = fresh(slot.agent)
    assert (agent.manual_replica_enabled, agent.auto_switch_enabled) == (True, False)


def act(browser, action, *agents):
    chosen = {"action": action, "_selected_action": [str(agent.pk) for agent in agents]}
    return browser.post(page(Agent), chosen, follow=True)


def test_disable_and_enable(browser, slot, other_slot):
    act(browser, "disable", slot.agent, other_slot.agent)
    assert [fresh(s.agent).enabled for s in (slot, other_slot)] == [False, False]
    act(browser, "enable", slot.agent)
    assert [fresh(s.agent).enabled for s in (slot, other_slot)] == [True, False]


def test_withdraw(browser, slot):
    act(browser, "withdraw", slot.agent)
    assert fresh(slot.agent).status == "terminated"
    assert fresh(slot.primary).role == "released"
    answer = act(browser, "withdraw", slot.agent)
    assert "no longer managed" in answer.content.decode()


def test_an_action_that_is_refused_says_so(browser, slot):
    support.terminate(slot.agent)
    answer = act(browser, "disable", slot.agent)
    assert "settings are history" in answer.content.decode()
    assert fresh(slot.agent).enabled is True


def test_strangers_stay_out(as_user, alice):
    assert as_user(alice).get(page(Agent)).status_code == 302
