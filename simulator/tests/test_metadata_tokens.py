"""Session tokens of the metadata service."""

from __future__ import annotations

import pytest

from simulator.metadata_tokens import BadTtl, Tokens


@pytest.mark.parametrize("ttl", [None, "", "0", "21601", "-1", "1.5", "abc", "²"])
def test_bad_ttls_are_refused(ttl):
    with pytest.raises(BadTtl):
        Tokens().issue(ttl)


@pytest.mark.parametrize("ttl", ["1", "21600"])
def test_the_bounds_are_allowed(ttl):
    tokens = Tokens()
    token, seconds = tokens.issue(ttl)
    assert seconds == int(ttl)
    assert tokens.left(token) is not None


def test_unknown_and_missing_tokens_have_no_time_left():
    tokens = Tokens()
    assert tokens.left(None) is None
    assert tokens.left("made up") is None


def test_a_token_ends(monkeypatch):
    now = 100.0
    monkeypatch.setattr("simulator.metadata_tokens.time.monotonic", lambda: now)
    tokens = Tokens()
    token, _ = tokens.issue("10")
    now = 109.5
    assert tokens.left(token) == 0
    now = 110.5
    assert tokens.left(token) is None


def test_tokens_belong_to_one_machine():
    token, _ = Tokens().issue("60")
    assert Tokens().left(token) is None
