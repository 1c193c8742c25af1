"""The emergency path in the admin: to read, in a few queries, and never to change."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from replicas.models import InterruptionEvent, Quarantine, Replica, Saga, Sighting, Snapshot, Step

NAMES = ["saga", "replica", "interruptionevent", "quarantine", "snapshot"]


@pytest.fixture
def browser(staff):
    """Staff, logged in."""
    browser = Browser()
    browser.force_login(staff)
    return browser


def happen(slot, number: int) -> dict[str, Any]:
    """One of each; the rows by the admin's name for them."""
    now = timezone.now()
    saga = Saga.objects.create(
        client=slot.agent.client,
        agent=slot.agent,
        trigger="emergency",
        goal="promote",
        status="done",
        reason="told so",
        created_at=now,
    )
    Step.objects.create(saga=saga, name="launch", outcome="done", started_at=now)
    replica = Replica.objects.create(
        client=slot.agent.client,
        agent=slot.agent,
        saga=saga,
        replica_type="emergency",
        status="failed",
        pool=slot.primary.pool,
        created_at=now,
    )
    event = InterruptionEvent.objects.create(
        client=slot.agent.client,
        agent=slot.agent,
        instance=slot.primary,
        pool=slot.primary.pool,
        kind="notice",
        key=str(number),
        detected_at=now,
        received_at=now,
        saga=saga,
    )
    Sighting.objects.create(event=event, channel="eventbridge", first_at=now)
    snapshot = Snapshot.objects.create(agent=slot.agent, event=event, document={}, created_at=now)
    quarantine, _ = Quarantine.objects.get_or_create(
        pool=slot.primary.pool,
        mode="spot",
        defaults={"until": now, "code": "InsufficientInstanceCapacity", "struck_at": now},
    )
    return {
        "saga": saga,
        "replica": replica,
        "interruptionevent": event,
        "snapshot": snapshot,
        "quarantine": quarantine,
    }


@pytest.mark.parametrize("name", NAMES)
def test_lists_search_and_details_are_there(name, browser, slot):
    row = happen(slot, 1)[name]
    address = f"/admin/replicas/{name}/"
    assert browser.get(address).status_code == 200
    assert browser.get(address, {"q": "i-0acme"}).status_code == 200
    assert browser.get(f"{address}{row.pk}/change/").status_code == 200


@pytest.mark.parametrize("name", NAMES)
def test_nothing_can_be_changed(name, browser, slot):
    row = happen(slot, 1)[name]
    address = f"/admin/replicas/{name}/"
    assert browser.get(f"{address}add/").status_code == 403
    assert browser.post(f"{address}{row.pk}/change/", {"reason": "mine"}).status_code == 403
    assert browser.post(f"{address}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert type(row).objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_list_takes_as_many_queries_for_many_rows(name, browser, slot):
    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            browser.get(f"/admin/replicas/{name}/")
        return len(captured)

    happen(slot, 1)
    few = count()
    for number in range(2, 12):
        happen(slot, number)
    assert count() == few


def test_a_saga_shows_its_journal(browser, slot):
    saga = happen(slot, 1)["saga"]
    page = browser.get(f"/admin/replicas/saga/{saga.pk}/change/").content.decode()
    assert "launch" in page


def test_an_event_shows_who_heard_it(browser, slot):
    event = happen(slot, 1)["interruptionevent"]
    page = browser.get(f"/admin/replicas/interruptionevent/{event.pk}/change/").content.decode()
    assert "ventbridge" in page


def test_the_administration_bears_our_name(browser):
    page = browser.get("/admin/").content.decode()
    assert "Spot Optimizer" in page
    assert "admin.css" in page


@pytest.mark.parametrize("who", ["alice", "charlie"])
def test_people_who_are_not_staff_stay_out(who, request, slot):
    browser = Browser()
    browser.force_login(request.getfixturevalue(who))
    assert browser.get("/admin/replicas/saga/").status_code == 302
