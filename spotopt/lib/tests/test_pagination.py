"""Parts of lists, and histories as files."""

import csv
import io
from decimal import Decimal

import pytest
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from clients.models import Client
from spotopt.lib import fields, pagination
from spotopt.lib.errors import BadInput
from spotopt.tests import cast


def ask(**query):
    return Request(APIRequestFactory().get("/", query))


def show(row):
    return {"n": row}


def test_the_defaults():
    assert pagination.window(ask()) == pagination.Window(limit=100, offset=0)
    assert pagination.window(ask(), default=50).limit == 50


@pytest.mark.parametrize(
    "query", [{"limit": 1}, {"limit": 1000}, {"limit": "007"}, {"offset": 10_000_000}]
)
def test_the_bounds_are_inside(query):
    name, value = next(iter(query.items()))
    assert getattr(pagination.window(ask(**query)), name) == int(value)


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"}, {"limit": "1001"}, {"limit": ""}, {"limit": "-1"}, {"limit": "1.0"},
        {"limit": "²"}, {"limit": "9" * 5000}, {"offset": "-1"}, {"offset": "x"}, {"offset": "10000001"},
    ],
)  # fmt: skip
def test_beyond_them_is_named(query):
    with pytest.raises(BadInput) as refusal:
        pagination.window(ask(**query))
    assert list(refusal.value.errors) == list(query)


def test_a_list_of_rows():
    answer = pagination.listing(ask(limit=2, offset=1), [1, 2, 3, 4], key="rows", show=show)
    assert answer.data == {"rows": [{"n": 2}, {"n": 3}], "total": 4}


def test_a_queryset_costs_two_queries(db, django_assert_num_queries):
    for name in "abc":
        cast.make_client(name)
    with django_assert_num_queries(2):
        answer = pagination.listing(
            ask(limit=2), Client.objects.all(), key="rows", show=lambda row: {"n": row.name}
        )
    assert answer.data == {"rows": [{"n": "a"}, {"n": "b"}], "total": 3}


def history(rows, **query):
    return pagination.history(
        ask(**query), rows, key="switches", show=lambda row: row, columns=["at", "usd", "why"]
    )


def lines(response):
    return list(csv.reader(io.StringIO(response.content.decode())))


def test_a_history_as_a_file():
    rows = [
        {"at": "2026-01-01T00:00:00Z", "usd": 1.5, "why": "a, b", "more": 1},
        {"at": None, "usd": 0},
    ]
    response = history(rows, format="csv")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert 'filename="switches.csv"' in response["Content-Disposition"]
    assert lines(response) == [
        ["at", "usd", "why"],
        ["2026-01-01T00:00:00Z", "1.5", "a, b"],
        ["", "0", ""],
    ]


def test_without_a_limit_a_file_has_all():
    rows = [{"at": str(index)} for index in range(150)]
    assert len(lines(history(rows, format="csv"))) == 151
    assert len(lines(history(rows, format="csv", limit=20))) == 21
    assert len(history(rows).data["switches"]) == 100


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_a_text_is_no_formula(text):
    assert lines(history([{"why": text}], format="csv"))[1][2] == f"'{text}"


def test_a_negative_number_is_a_number():
    assert lines(history([{"usd": -1.5}], format="csv"))[1][1] == "-1.5"


def test_truth_reads_as_in_json():
    assert lines(history([{"why": True}], format="csv"))[1][2] == "true"


def test_another_format_is_refused():
    with pytest.raises(BadInput) as refusal:
        history([], format="xml")
    assert list(refusal.value.errors) == ["format"]
    assert history([], format="json").data == {"switches": [], "total": 0}


def test_numbers_out():
    assert fields.number(None) is None
    assert fields.number(Decimal("0.041600")) == 0.0416
    assert fields.price_field().to_representation(Decimal("0.0416")) == 0.0416
    assert fields.price_field().run_validation(0.0416) == Decimal("0.0416")
    assert fields.usd_field().run_validation("12.5") == Decimal("12.5")


@pytest.mark.parametrize("value", [0, -1, "NaN", "Infinity", "x", 10**9, True, [], 0.00000001])
def test_prices_refused(value):
    with pytest.raises(ValidationError):
        fields.price_field().run_validation(value)
