"""When a slot must not be moved, whatever it would save; each no with its reason."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mlengine import gates, policies
from mlengine.policies import Policy
from mlengine.situation import Limits, State, Verdict
from mlengine.tests.cases import HERE, NOON, B, C, own, place, situation, with_state


def ago(**span):
    return NOON - timedelta(**span)


def test_nothing_in_the_way():
    assert gates.shut(with_state()) == ""
    assert policies.SEED.decide(with_state()).action == "switch"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"enabled": False}, "the agent is disabled"),
        ({"client_active": False}, "the client is being deleted"),
        ({"automation": False}, "automation is stopped"),
        ({"online": False}, "the agent is offline"),
        ({"auto_switch": False}, "auto-switch is off"),
        ({"interrupted": True}, "an interruption of its machine is open"),
        ({"moving": True}, "a replica stands by or a move is under way"),
        ({"switch_ordered": True}, "a switch is ordered already"),
        ({"connected": False}, "no AWS account is connected"),
        ({"blackout": "the sale"}, "maintenance: the sale"),
        ({"last_switch_at": ago(minutes=119)}, "the last switch was 119 minutes ago, of 120"),
        ({"last_switch_at": ago(minutes=120)}, ""),
        ({"last_switch_at": NOON + timedelta(minutes=1)}, "cooldown"),
        ({"last_failure_at": ago(minutes=15)}, "attempt, which failed, was 15 minutes ago"),
        ({"last_failure_at": ago(minutes=121)}, ""),
        ({"switches_24h": 2}, ""),
        ({"switches_24h": 3}, "3 switches within a day: at most 3"),
        ({"switches_7d": 9}, ""),
        ({"switches_7d": 10}, "10 switches within a week: at most 10"),
        ({"room": 0}, "cap of instances"),
        ({"room": -4}, "cap of instances"),
    ],
)
def test_each_no_has_its_reason(state, reason):
    seen = with_state(**state)
    verdict = policies.SEED.decide(seen)
    assert (verdict.action, reason in gates.shut(seen)) == ("stay" if reason else "switch", True)
    if reason:
        assert reason in verdict.reason
        assert verdict.terms["present_price"] == 0.0456


@pytest.mark.parametrize(
    ("limits", "state", "shut"),
    [
        (Limits(cooldown=timedelta(0)), {"last_switch_at": NOON}, False),
        (Limits(cooldown=timedelta(days=30)), {"last_switch_at": ago(days=29)}, True),
        (Limits(max_switches_per_day=0), {}, True),
        (Limits(max_switches_per_day=1), {"switches_24h": 1}, True),
        (Limits(max_switches_per_day=1000), {"switches_24h": 9, "switches_7d": 9}, False),
        (Limits(max_switches_per_day=1000), {"switches_24h": 10, "switches_7d": 10}, True),
    ],
)
def test_the_slots_own_settings_count(limits, state, shut):
    seen = situation(place(), limits=limits, state=replace(State(), **state))
    assert bool(gates.shut(seen)) is shut


def test_without_a_machine_there_is_nothing_to_move():
    seen = situation(place(), current=None)
    assert gates.shut(seen) == "no machine serves this slot at present"
    assert policies.SEED.decide(seen).action == "stay"


def rogue(verdict):
    """A policy that somebody else wrote."""
    return Policy("rogue", "1", lambda seen: verdict)


def move(pool_id=B, mode="spot", action="switch"):
    return Verdict(action, "because", pool_id, mode)


@pytest.mark.parametrize(
    ("verdict", "limits", "why"),
    [
        (move(), Limits(), ""),
        (move("m5.24xlarge.use1-az2"), Limits(), "may not run in the chosen pool"),
        (move(HERE), Limits(), "there already"),
        (move(C), Limits(), "unknown or stale"),
        (move(mode="on-demand"), Limits(), "does not fit its mode"),
        (move(action="on_demand"), Limits(), "does not fit its mode"),
        (move(action="terminate"), Limits(), "does not fit its mode"),
        (move(HERE, "on-demand", "on_demand"), Limits(), ""),
        (move(C, "on-demand", "on_demand"), Limits(), "on-demand price is unknown"),
        (move(), own(max_risk_score=0.15), "limit on risk is 0.15"),
        (move(), own(max_risk_score=0.16), ""),
        # Not the client's own: a hazard of .15 an hour may be another policy's business.
        (move(), Limits(max_risk_score=0.10), ""),
        (move(), own(min_savings_threshold=0.70), "saving over 70%"),
        (move(), Limits(min_savings_threshold=0.70), ""),
        (Verdict("stay", "so"), own(max_risk_score=0.0), ""),
    ],
)
def test_no_policy_gets_past_the_rails(verdict, limits, why):
    unknown = replace(place(C, None), on_demand_price=None)
    seen = situation(place(), unknown, place(HERE, "0.0456"), limits=limits)
    held = rogue(verdict).decide(seen)
    if why:
        assert held.action == "stay"
        assert why in held.reason
        assert "because" in held.reason
    else:
        assert held == verdict


def test_a_policy_is_not_even_asked_about_a_slot_that_may_not_move():
    def never(seen):
        raise AssertionError

    assert Policy("x", "", never).decide(with_state(enabled=False)).action == "stay"
