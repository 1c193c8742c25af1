"""How many queries a page may take, whatever the size of the fleet: query_budgets.json."""

import json
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from spotopt.dashboard.tests import scene
from spotopt.dashboard.tests.test_overview import HTMX
from spotopt.tests import cast

BUDGETS = json.loads((Path(__file__).parent / "query_budgets.json").read_text())


def queries(browser, address: str, **headers) -> int:
    """Of one request; login and session included."""
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert browser.get(address, headers=headers).status_code == 200
    return len(captured)


def grow(client, number: int) -> None:
    """That many more agents: each with a standby, a retired machine that runs, and a past."""
    now = timezone.now()
    for index in range(number):
        pool = scene.priced_pool("t3.medium", f"use1-az{index % 6 + 1}", "0.0125", now)
        agent = cast.make_agent(client)
        primary = scene.machine(agent, pool, "a", now)
        scene.machine(agent, pool, "a", now, role="superseded")
        scene.standby(agent, pool, "b", now)
        scene.interruption(primary, now, acted_at=now, action_taken="recorded_only")
        scene.tell(client, now, "something", agent=agent)


@pytest.mark.parametrize("name", [name for name in BUDGETS if name.startswith("overview")])
def test_the_overview(name, alice, visit, client_acme, acme_day):
    browser = visit(alice)
    address, headers = f"/c/{client_acme.pk}/", {}
    if section := name.partition(": ")[2]:
        address, headers = f"{address}?section={section}", HTMX
    queries(browser, address, **headers)  # the first visit makes the installation's row
    few = queries(browser, address, **headers)
    grow(client_acme, 100)
    many = queries(browser, address, **headers)
    assert few == many == BUDGETS[name]


def test_an_agents_page(alice, visit, acme_day):
    browser = visit(alice)
    pages = [
        f"/c/{agent.client_id}/agents/{agent.pk}/" for agent in (acme_day.covered, acme_day.moved)
    ]
    for page in pages:
        assert queries(browser, page) <= BUDGETS["agent"]
    now = timezone.now()
    pool = acme_day.standby.pool
    for _ in range(10):
        machine = scene.machine(acme_day.moved, pool, "a", now, role="superseded")
        saga = scene.saga(acme_day.moved, now, status="done")
        scene.steps(saga, now, ("launch", "done", 1.0, {}), ("rebind", "done", 1.0, {}))
        scene.interruption(machine, now, saga=saga)
    assert queries(browser, pages[1]) <= BUDGETS["agent"]


def test_the_choice_of_clients(staff, visit, client_acme):
    browser = visit(staff)
    few = queries(browser, "/clients")
    for number in range(20):
        cast.make_agent(cast.make_client(f"Client {number}"))
    assert few == queries(browser, "/clients") == BUDGETS["clients"]
