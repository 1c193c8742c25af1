"""Decisions are read, maintenance hours are set."""

import pytest
from django.urls import reverse

from mlengine import decisions
from mlengine.models import Blackout, Decision


@pytest.fixture
def admin(client, staff):
    client.force_login(staff)
    return client


def test_decisions_are_listed_filtered_and_read(admin, market, old_slot, now):
    decisions.run_cycle(now=now)
    row = Decision.objects.get()
    listed = admin.get(reverse("admin:mlengine_decision_changelist"), {"acted__exact": "1"})
    assert str(row.reason)[:40] in listed.content.decode()
    page = admin.get(reverse("admin:mlengine_decision_change", args=[row.pk]))
    assert page.status_code == 200
    assert "net_usd_per_hour" in page.content.decode()


@pytest.mark.parametrize("query", ["31.6", "i-0acme", "nothing such"])
def test_they_are_searched(admin, market, old_slot, now, query):
    decisions.run_cycle(now=now)
    page = admin.get(reverse("admin:mlengine_decision_changelist"), {"q": query})
    assert page.status_code == 200
    assert page.context["cl"].result_count == (0 if "such" in query else 1)


def test_nobody_writes_them_by_hand(admin, market, old_slot, now):
    decisions.run_cycle(now=now)
    row = Decision.objects.get()
    assert admin.get(reverse("admin:mlengine_decision_add")).status_code == 403
    for name in ("change", "delete"):
        url = reverse(f"admin:mlengine_decision_{name}", args=[row.pk])
        assert admin.post(url, {"reason": "mine", "post": "yes"}).status_code == 403
    row.refresh_from_db()
    assert row.reason != "mine"


def test_maintenance_is_set_and_a_wrong_one_is_refused(admin, client_acme):
    url = reverse("admin:mlengine_blackout_add")

    def add(until):
        return admin.post(
            url,
            {
                "client": client_acme.pk, "agent": "", "repeats": "weekly", "note": "the sale",
                "starts_at_0": "2026-05-01", "starts_at_1": "12:00:00",
                "ends_at_0": "2026-05-01", "ends_at_1": until,
            },
        )  # fmt: skip

    assert add("11:00:00").status_code == 200
    assert not Blackout.objects.exists()
    assert add("14:00:00").status_code == 302
    assert str(Blackout.objects.get()) == "the sale"
    assert admin.get(reverse("admin:mlengine_blackout_changelist")).status_code == 200
