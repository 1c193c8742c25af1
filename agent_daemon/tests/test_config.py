"""The server's configuration, as far as the agent acts on it."""

from __future__ import annotations

import pytest
from spotopt_agent import config
from spotopt_agent.config import Config


def test_reads_what_concerns_the_agent():
    found = config.parse(
        {
            "enabled": True,
            "role": "primary",
            "heartbeat_seconds": 10,
            "price_report_seconds": 60.5,
            "metadata_poll_seconds": 1,
            "quiesce_seconds": 45,
            "sync_kind": "hook",
            "something_new": [1],
        }
    )
    assert found == Config(10.0, 60.5, 1.0, 45.0, "hook")


@pytest.mark.parametrize("value", [None, [], "x", 1, {}, {"unknown": 1}])
def test_nothing_means_defaults(value):
    assert config.parse(value) == Config(30.0, 300.0, 2.0, 0.0, "none")


@pytest.mark.parametrize("bad", [None, "30", True, 0, -1, 1e9, float("nan"), float("inf"), [30]])
def test_what_makes_no_sense_keeps_its_default(bad):
    found = config.parse(
        {"heartbeat_seconds": bad, "price_report_seconds": bad, "metadata_poll_seconds": bad}
    )
    assert found == Config()


@pytest.mark.parametrize(("given", "taken"), [(0, 0.0), (30, 30.0), (-1, 0.0), (True, 0.0)])
def test_quiesce_may_be_zero(given, taken):
    assert config.parse({"quiesce_seconds": given}).quiesce_seconds == taken


@pytest.mark.parametrize("kind", ["none", "", None, "HOOK", "rsync", 1])
def test_only_hook_is_hook(kind):
    assert config.parse({"sync_kind": kind}).sync_kind == "none"


def test_intervals_are_scaled_and_never_busy():
    assert config.scaled(30, 0.1) == 3
    assert config.scaled(30, 2) == 60
    assert config.scaled(2, 1e-9) == config.SMALLEST_INTERVAL
