"""How values are written."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from spotopt.templatetags import look

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "unknown"),
        (Decimal(0), "$0.0000"),
        (Decimal("0.0125"), "$0.0125"),
        (Decimal("0.012549"), "$0.0125"),
        (Decimal("-0.0031"), "\N{MINUS SIGN}$0.0031"),
        (Decimal("1"), "$1.00"),
        (Decimal("1234.5"), "$1,234.50"),
    ],
)
def test_money(amount, text):
    assert look.usd(amount) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, "unknown"), (Decimal("0.701"), "70 %"), (0.3, "30 %"), (-0.1, "\N{MINUS SIGN}10 %")],
)
def test_shares(share, text):
    assert look.percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.00 s"),
        (0.24, "0.24 s"),
        (8.44, "8.4 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3600, "1 h 00 min"),
        (12_000, "3 h 20 min"),
        (200_000, "2 days 7 h"),
        (-2, "\N{MINUS SIGN}2.0 s"),
    ],
)
def test_spans(seconds, text):
    assert look.span(seconds) == text
    assert look.span(timedelta(seconds=seconds)) == text


def test_an_unknown_span_is_said():
    assert look.span(None) == "unknown"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "soon"),
        (0, "just now"),
        (12, "12 s ago"),
        (89, "89 s ago"),
        (90, "2 min ago"),
        (5399, "90 min ago"),
        (5400, "2 h ago"),
        (200_000, "2 days ago"),
    ],
)
def test_how_long_ago(seconds, text):
    assert look.ago(NOW - timedelta(seconds=seconds), NOW) == text


def test_a_moment_of_another_day_has_its_date():
    assert look.clock(NOW - timedelta(hours=1), NOW) == "11:00:00"
    assert look.clock(NOW - timedelta(hours=13), NOW) == "28 Feb 23:00"


def test_a_moment_carries_its_exact_time():
    element = look.when(NOW)
    assert 'datetime="2026-03-01T12:00:00+00:00"' in element
    assert 'title="2026-03-01 12:00:00 UTC"' in element


def test_no_moment_is_said():
    assert look.when(None) == "never"
    assert look.since(None, "unknown") == "unknown"


@pytest.mark.parametrize(
    ("state", "tone", "word"),
    [
        ("online", "ok", "online"),
        ("offline", "bad", "offline"),
        ("promoted_replica", "ok", "moved to a replica"),
        ("superseded", "quiet", "retired"),
        ("anything_else", "quiet", "anything else"),
    ],
)
def test_a_pill_says_its_state_in_words(state, tone, word):
    assert look.pill(state) == f'<span class="pill pill-{tone}">{word}</span>'


def test_a_pill_escapes():
    assert "<b>" not in look.pill("<b>")
