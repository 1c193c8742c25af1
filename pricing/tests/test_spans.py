"""How long a price holds, as properties of money: nothing counted twice, nothing made up."""

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing import ingest, spans
from pricing.ingest import PoolPrice, Report
from pricing.queries import SeriesPoint
from pricing.spans import Span

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def point(hours: float, price: str, source: str = "aws") -> SeriesPoint:
    return SeriesPoint(NOON + hours * HOUR, Decimal(price), source, "normal", 1.0)


def span(start: float, end: float, price: str) -> Span:
    return Span(NOON + start * HOUR, NOON + end * HOUR, Decimal(price))


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([], []),
        ([point(0, "1")], [span(0, 10, "1")]),
        ([point(-1, "1")], [span(0, 10, "1")]),
        ([point(2, "1"), point(5, "2")], [span(2, 5, "1"), span(5, 10, "2")]),
        ([point(0, "1"), point(5, "1")], [span(0, 10, "1")]),
        ([point(-36, "1")], []),
        ([point(-35, "1")], [span(0, 1, "1")]),
        ([point(-35, "1"), point(4, "2")], [span(0, 1, "1"), span(4, 10, "2")]),
        ([point(0, "1", "primary")], [span(0, 0.5, "1")]),
        ([point(0, "1", "primary"), point(0.25, "2")], [span(0, 0.25, "1"), span(0.25, 10, "2")]),
        ([point(11, "1")], []),
    ],
)
def test_a_price_holds_until_the_next_or_until_nothing_is_known(points, expected):
    assert spans.of_series(points, since=NOON, until=NOON + 10 * HOUR) == expected


POINTS = st.lists(
    st.tuples(st.integers(-500, 500), st.integers(1, 5), st.sampled_from(["aws", "primary"])),
    max_size=30,
    unique_by=lambda given: given[0],
)


@given(POINTS)
def test_spans_lie_in_the_window_in_order_and_never_overlap(given_points):
    points = [point(n / 12, str(price), source) for n, price, source in sorted(given_points)]
    since, until = NOON - 5 * HOUR, NOON + 5 * HOUR
    end = since
    for found in spans.of_series(points, since=since, until=until):
        assert end <= found.start < found.end <= until
        assert found.price in {p.price for p in points if p.at <= found.start}
        end = found.end


@pytest.mark.django_db
def test_from_stored_prices_in_one_statement(django_assert_num_queries):
    alice = uuid.uuid4()
    start = NOON - 3 * HOUR
    history = [
        PoolPrice("t3.medium", "use1-az4", Decimal("0.01"), start - HOUR),
        PoolPrice("t3.medium", "use1-az4", Decimal("0.02"), start + HOUR),
    ]
    ingest.record_history(history, now=NOON, confirmed_at=NOON)
    ingest.report_prices(
        client_id=alice,
        instance_id="i-1",
        source="primary",
        reports=[Report("t3.medium.use1-az5", Decimal("0.05"), start)],
        now=NOON,
    )
    names = ["t3.medium.use1-az4", "t3.medium.use1-az5", "t3.medium.use1-az6"]
    with django_assert_num_queries(1):
        found = spans.prices(names, client_id=alice, since=start, until=NOON)
    assert found == {
        names[0]: [span(-3, -2, "0.01"), span(-2, 0, "0.02")],
        names[1]: [span(-3, -2.5, "0.05")],
    }
