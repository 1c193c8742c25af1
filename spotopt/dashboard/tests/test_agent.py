"""An agent's page: who sees it, and that it tells every step."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from agents.models import Agent, Instance
from replicas.models import Replica, Saga
from spotopt.dashboard.tests import scene
from spotopt.dashboard.tests.test_overview import HTMX, main, text

SECTIONS = [
    "summary",
    "machines",
    "replicas",
    "journal",
    "interruptions",
    "switches",
    "commands",
    "feed",
]


def of(agent: Agent, client=None) -> str:
    """The address of an agent's page, under its own client's address or another's."""
    return f"/c/{(client or agent.client).pk}/agents/{agent.pk}/"


def test_nobody_gets_the_login_page(client, acme_day):
    assert client.get(of(acme_day.moved))["Location"].startswith("/login?next=/c/")


@pytest.mark.parametrize("who", ["alice", "olga", "bob", "staff"])
def test_members_and_staff_see_it(who, request, visit, acme_day):
    response = visit(request.getfixturevalue(who)).get(of(acme_day.moved))
    assert response.status_code == 200
    assert "orders-worker" in text(response)


def test_somebody_else_gets_what_a_missing_agent_gets(charlie, visit, client_other, acme_day):
    browser = visit(charlie)
    own_client = f"/c/{client_other.pk}/agents/"
    answers = [
        browser.get(of(acme_day.moved)),
        browser.get(of(acme_day.moved, client_other)),
        browser.get(f"{own_client}{uuid.uuid4()}/"),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert len({main(answer) for answer in answers}) == 1


def test_an_agent_is_not_found_under_another_client_of_the_same_person(
    staff, visit, client_other, acme_day
):
    assert visit(staff).get(of(acme_day.moved, client_other)).status_code == 404


def test_tells_the_steps_with_times_and_outcomes(bob, visit, acme_day):
    page = text(visit(bob).get(of(acme_day.moved)))
    assert "Emergency move" in page
    assert "promoted after 42.7 s" in page
    assert '<span class="step-name">launch (attempt 2)</span>' in page
    assert "code InsufficientInstanceCapacity · pool c5.large.use1-az1" in page
    assert page.index("launch (attempt 2)") < page.index(">route<") < page.index(">rebind<")


def test_a_step_that_is_not_over_has_no_duration(bob, visit, acme_day):
    saga = Saga.objects.get(agent=acme_day.moved)
    step = saga.steps.get(name="retire")
    step.ended_at, step.outcome = None, "intended"
    step.save()
    (journal,) = visit(bob).get(of(acme_day.moved)).context["slot"].journals
    assert journal.steps[-1].took is None


def test_the_serving_machine_comes_first_and_gone_ones_cost_nothing(bob, visit, acme_day):
    slot = visit(bob).get(of(acme_day.moved)).context["slot"]
    roles = [machine.instance.role for machine in slot.machines.rows]
    assert roles == [Instance.Role.PRIMARY, Instance.Role.SUPERSEDED]
    assert [machine.state for machine in slot.machines.rows] == ["running", "terminated"]
    assert slot.machines.rows[1].price is None


def test_a_retired_machine_that_still_runs_is_called_so(bob, visit, acme_day):
    Instance.objects.filter(agent=acme_day.moved, role="superseded").update(terminated_at=None)
    response = visit(bob).get(of(acme_day.moved))
    machine = response.context["slot"].machines.rows[1]
    assert machine.state == "leftover"
    assert "still running" in text(response)
    assert machine.price is not None


def test_the_primary_is_shown_among_many_newer_machines(bob, visit, acme_day):
    pool = acme_day.standby.pool
    for minute in range(20):
        at = timezone.now() + timedelta(minutes=minute)
        scene.machine(acme_day.moved, pool, "b", at, role="superseded", terminated_at=at)
    rows = visit(bob).get(of(acme_day.moved)).context["slot"].machines.rows
    assert rows[0].instance.role == Instance.Role.PRIMARY


def test_shows_its_own_events_only(bob, visit, client_acme, acme_day):
    scene.tell(client_acme, timezone.now(), "about the other one", agent=acme_day.covered)
    page = text(visit(bob).get(of(acme_day.moved)))
    assert "about the other one" not in page
    assert "(emergency_termination)" in page


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_is_a_part_of_the_page(section, bob, visit, acme_day):
    browser = visit(bob)
    fragment = browser.get(f"{of(acme_day.covered)}?section={section}", headers=HTMX)
    assert fragment.status_code == 200
    assert "<html" not in text(fragment)
    assert f'id="{section}"' in text(fragment)
    assert f"?section={section}" in text(browser.get(of(acme_day.covered)))


def test_an_agent_with_nothing_yet(bob, visit, client_acme):
    agent = Agent.objects.create(client=client_acme)
    page = text(visit(bob).get(of(agent)))
    assert "No machine has registered in this slot." in page
    assert "Nothing was ever moved or prepared for this agent." in page


class TestOffers:
    """Which forms a page offers, and to whom."""

    def links(self, browser, agent) -> set[str]:
        """The actions that the page leads to."""
        page = text(browser.get(of(agent)))
        return {name for name in ("standby", "promote", "delete") if f'/{name}"' in page}

    @pytest.mark.parametrize("who", ["alice", "olga", "staff"])
    def test_writers(self, who, request, visit, acme_day):
        browser = visit(request.getfixturevalue(who))
        assert self.links(browser, acme_day.covered) == {"promote", "delete"}
        assert self.links(browser, acme_day.moved) == {"standby"}

    def test_viewers_get_none(self, bob, visit, acme_day):
        assert self.links(visit(bob), acme_day.covered) == set()
        assert self.links(visit(bob), acme_day.moved) == set()

    def test_a_standby_that_is_not_ready_can_only_be_deleted(self, alice, visit, acme_day):
        Replica.objects.filter(pk=acme_day.standby.pk).update(status="syncing")
        assert self.links(visit(alice), acme_day.covered) == {"delete"}

    def test_nothing_can_be_done_while_it_is_being_promoted(self, alice, visit, acme_day):
        Replica.objects.filter(pk=acme_day.standby.pk).update(status="promoting")
        assert self.links(visit(alice), acme_day.covered) == set()

    def test_a_terminated_agent_gets_no_standby(self, alice, visit, acme_day):
        Agent.objects.filter(pk=acme_day.moved.pk).update(status="terminated")
        assert self.links(visit(alice), acme_day.moved) == set()
