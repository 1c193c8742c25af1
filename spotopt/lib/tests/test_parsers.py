"""Request bodies: what is JSON and can be kept goes in, all else is a 400."""

import io
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError

from spotopt.lib.parsers import JSONParser


def parse(body: bytes):
    return JSONParser().parse(io.BytesIO(body))


storable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(blacklist_characters="\x00", blacklist_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("ab"), inner),
)


@given(storable)
def test_what_can_be_kept_goes_in(value):
    assert parse(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b"\xff",
        b'{"a": NaN}',
        b"[Infinity]",
        b"[-Infinity]",
        b"[1e999]",
        b'["\\u0000"]',
        b'{"a\\u0000": 1}',
        b'[[{"b": ["\\ud800"]}]]',
        b'{"\\udc00": 1}',
        b"[" * 100_000 + b"]" * 100_000,
        b"9" * 5000,
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_cannot_is_a_parse_error(body):
    with pytest.raises(ParseError):
        parse(body)


def test_the_number_at_fault_is_named():
    with pytest.raises(ParseError, match="1e999"):
        parse(b"[1e999]")


@pytest.mark.parametrize("body", [b'"\\ud83d\\ude00"', '"😀"'.encode()])
def test_a_whole_pair_is_a_character(body):
    assert parse(body) == "😀"


def test_an_escaped_backslash_is_no_escape():
    assert parse(b'"\\\\u0000"') == "\\u0000"


def test_floats_stay_floats():
    assert math.isclose(parse(b"[0.0416]")[0], 0.0416)
