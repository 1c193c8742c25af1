"""The admin pages show market data, change none of it, and do not ask once a row."""

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from pricing import ingest
from pricing.ingest import PoolPrice, Report
from pricing.models import CleanPrice, OnDemandPrice, Pool, RawPrice, Zone

pytestmark = pytest.mark.django_db
MODELS = [Pool, Zone, RawPrice, CleanPrice, OnDemandPrice]


@pytest.fixture
def staff(rf: RequestFactory):
    user = get_user_model().objects.create_superuser("alice", "alice@example.com", "x" * 20)

    def ask(**parameters: str):
        request = rf.get("/", parameters)
        request.user = user
        return request

    return ask


def stock(now, zones: int) -> None:
    for number in range(1, zones + 1):
        point = PoolPrice("t3.medium", f"use1-az{number}", Decimal("0.01"), now)
        ingest.record_history([point], now=now)
        report = Report(f"t3.medium.use1-az{number}", Decimal("0.02"), now)
        ingest.report_prices(
            client_id=uuid.uuid4(), instance_id="i-1", source="primary", reports=[report], now=now
        )
        Zone.objects.create(
            account="1",
            region="us-east-1",
            az_name=f"us-east-1{number}",
            az_id=f"use1-az{number}",
            seen_at=now,
        )
        OnDemandPrice.objects.create(
            instance_type="t3.medium",
            region="us-east-1",
            price=1,
            effective_from=now - timedelta(days=number),
        )


def page(model, request) -> tuple[str, int]:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        response = admin.site.get_model_admin(model).changelist_view(request)
        response.render()  # type: ignore[attr-defined]
    return response.content.decode(), len(captured)


@pytest.mark.parametrize("model", MODELS)
def test_more_rows_are_not_more_statements(model, staff, now):
    stock(now, 1)
    _, few = page(model, staff())
    Pool.objects.all().delete()
    Zone.objects.all().delete()
    OnDemandPrice.objects.all().delete()
    stock(now, 6)
    html, many = page(model, staff())
    assert many <= few
    assert "use1-az6" in html or model is OnDemandPrice


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_added_changed_or_deleted_by_hand(model, staff):
    page_of = admin.site.get_model_admin(model)
    assert not page_of.has_add_permission(staff())
    assert not page_of.has_change_permission(staff())
    assert not page_of.has_delete_permission(staff())
    assert page_of.has_view_permission(staff())
    assert page_of.get_actions(staff()) == {}


@pytest.mark.parametrize(
    ("model", "text", "hit"),
    [
        (Pool, "az3", 1),
        (Pool, "m5", 0),
        (RawPrice, "use1-az2", 2),
        (CleanPrice, "use1-az2", 2),
        (Zone, "use1-az1", 1),
        (OnDemandPrice, "t3.medium", 3),
        (OnDemandPrice, "c5", 0),
    ],
)
def test_search_finds(model, text, hit, staff, now):
    stock(now, 3)
    html, _ = page(model, staff(q=text))
    assert html.count('<th class="field-') == hit


@pytest.mark.parametrize(
    ("model", "choice"),
    [
        (RawPrice, {"source__exact": "aws"}),
        (CleanPrice, {"source__exact": "primary"}),
        (Pool, {"region__exact": "us-east-1"}),
    ],
)
def test_filters_narrow(model, choice, staff, now):
    stock(now, 3)
    html, _ = page(model, staff(**choice))
    assert html.count('<th class="field-') == 3
