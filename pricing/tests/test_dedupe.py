"""Dedupe, as a table and as properties."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing import dedupe
from pricing.dedupe import Reported

T = datetime(2026, 5, 1, tzinfo=UTC)
AWS, PRIMARY, AUTO, MANUAL = "aws", "primary", "automatic_replica", "manual_replica"


def said(source: str, price: str, seconds: int = 0) -> Reported:
    return Reported(source, Decimal(price), T + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("reports", "price", "source", "flag"),
    [
        ([said(PRIMARY, "0.0456")], "0.0456", PRIMARY, "normal"),
        ([said(AUTO, "0.0456")], "0.0456", AUTO, "normal"),
        # 0.4 % apart: the primary's
        ([said(PRIMARY, "0.0456"), said(AUTO, "0.0458")], "0.0456", PRIMARY, "normal"),
        ([said(MANUAL, "0.0458"), said(PRIMARY, "0.0456")], "0.0456", PRIMARY, "normal"),
        # exactly half a percent is not less than it
        ([said(PRIMARY, "0.2000"), said(AUTO, "0.2010")], "0.2005", PRIMARY, "averaged"),
        ([said(PRIMARY, "0.2000"), said(AUTO, "0.200999")], "0.2", PRIMARY, "normal"),
        ([said(PRIMARY, "0.2000"), said(AUTO, "0.1990")], "0.1995", PRIMARY, "averaged"),
        # AWS's history stands alone
        ([said(PRIMARY, "0.05"), said(AWS, "0.04")], "0.04", AWS, "normal"),
        # an automatic replica is trusted more than a manual one
        ([said(MANUAL, "0.0500"), said(AUTO, "0.0501")], "0.0501", AUTO, "normal"),
        (
            [said(MANUAL, "0.05"), said(AUTO, "0.06"), said(PRIMARY, "0.06")],
            "0.06",
            PRIMARY,
            "normal",
        ),
        # a source's last word counts
        ([said(PRIMARY, "0.05", 10), said(PRIMARY, "0.04", 0)], "0.05", PRIMARY, "normal"),
        ([said(AWS, "0.05", 0), said(AWS, "0.06", 200)], "0.06", AWS, "normal"),
    ],
)
def test_the_rule(reports, price, source, flag):
    settled = dedupe.settle(reports)
    assert (settled.price, settled.source, settled.flag) == (Decimal(price), source, flag)


def test_no_reports_are_no_price():
    with pytest.raises(ValueError):
        dedupe.settle([])


def test_an_average_is_less_sure_than_a_report_and_more_than_a_guess():
    settled = dedupe.settle([said(PRIMARY, "0.05"), said(AUTO, "0.06")])
    assert 0.85 < settled.confidence < 1


REPORTS = st.lists(
    st.builds(
        Reported,
        st.sampled_from([AWS, PRIMARY, AUTO, MANUAL]),
        st.decimals(Decimal("0.0001"), Decimal(40), places=6),
        st.integers(0, 299).map(lambda s: T + timedelta(seconds=s)),
    ),
    min_size=1,
    max_size=6,
)


@given(REPORTS)
def test_the_price_lies_among_what_was_reported(reports):
    settled = dedupe.settle(reports)
    prices = [report.price for report in reports]
    assert min(prices) <= settled.price <= max(prices)
    assert settled.source == min((r.source for r in reports), key=dedupe.TRUST.__getitem__)
    if settled.flag == "normal":
        assert settled.price in prices


@given(REPORTS, st.randoms())
def test_the_order_of_arrival_does_not_matter(reports, dice):
    shuffled = list(reports)
    dice.shuffle(shuffled)
    assert dedupe.settle(shuffled) == dedupe.settle(reports)


@given(REPORTS)
def test_hearing_it_all_twice_changes_nothing(reports):
    assert dedupe.settle(reports * 2) == dedupe.settle(reports)
