"""What each setting may be: a table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import configuration_rules as rules
from agents.models import Agent
from spotopt.lib.errors import BadInput

ARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/0123456789abcdef"
BOOLEANS = [name for name in rules.FIELDS if name.endswith("enabled")]
WHOLE = {
    "target_savings_percent": (0, 100),
    "max_switches_per_day": (0, 1000),
    "cooldown_minutes": (0, 43_200),
    "terminate_wait_seconds": (0, 86_400),
    "quiesce_seconds": (0, 90),
}
SHARES = ["min_savings_threshold", "max_risk_score"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def refused(changes):
    with pytest.raises(BadInput) as caught:
        rules.check(changes)
    return list(caught.value.errors)


@pytest.mark.parametrize("name", BOOLEANS)
@pytest.mark.parametrize("value", [True, False])
def test_booleans(name, value):
    assert rules.check({name: value}) == {name: value}


@pytest.mark.parametrize("name", BOOLEANS)
@pytest.mark.parametrize("value", [0, 1, "true", None, [], {}])
def test_what_looks_like_a_boolean_is_none(name, value):
    assert refused({name: value}) == [name]


@pytest.mark.parametrize(("name", "limits"), WHOLE.items())
def test_whole_numbers_to_their_limits(name, limits):
    low, high = limits
    for good in (low, high, float(high)):
        checked = rules.check({name: good})[name]
        assert checked == good
        assert type(checked) is int
    bad: list[object] = [low - 1, high + 1, high - 0.5, True, "5", None, [5], 10**400, float("nan")]
    for value in bad:
        assert refused({name: value}) == [name]


@pytest.mark.parametrize("name", SHARES)
def test_shares(name):
    for good in (0, 1, 0.3):
        assert rules.check({name: good}) == {name: good}
    for value in (-0.01, 1.01, True, "0.3", None, float("nan"), float("inf"), 10**400):
        assert refused({name: value}) == [name]


@pytest.mark.parametrize("value", ["none", "hook"])
def test_sync_kinds(value):
    assert rules.check({"sync_kind": value}) == {"sync_kind": value}


@pytest.mark.parametrize("value", ["HOOK", "", None, 0, ["none"], {}])
def test_other_sync_kinds(value):
    assert refused({"sync_kind": value}) == ["sync_kind"]


@pytest.mark.parametrize("value", [ARN, ARN.replace("arn:aws", "arn:aws-us-gov"), ""])
def test_target_groups(value):
    assert rules.check({"target_group_arn": value}) == {"target_group_arn": value}


@pytest.mark.parametrize(
    "value",
    ["web", ARN + "\n", ARN + "/x", ARN.replace("123456789012", "1"), None, 5, "x" * 10_000],
)
def test_other_target_groups(value):
    assert refused({"target_group_arn": value}) == ["target_group_arn"]


def test_every_complaint_is_named_at_once():
    changes = {"quiesce_seconds": 91, "colour": "red", "enabled": True, "max_risk_score": 2}
    assert refused(changes) == ["quiesce_seconds", "colour", "max_risk_score"]


def test_nothing_is_no_change():
    assert refused({}) == []


def test_every_setting_has_a_column_and_every_default_passes():
    agent = Agent()
    defaults = {name: getattr(agent, name) for name in rules.FIELDS}
    assert rules.check(defaults) == defaults


@given(st.dictionaries(st.sampled_from(sorted(rules.FIELDS)) | st.text(), JSON))
def test_any_json_is_accepted_or_refused_by_name(changes):
    try:
        checked = rules.check(changes)
    except BadInput as error:
        assert set(error.errors) <= {name[:80] for name in changes}  # noqa: PT017
    else:
        assert set(checked) == set(changes)
        assert set(checked) <= set(rules.FIELDS)


@pytest.mark.parametrize(
    ("auto", "manual", "changes", "errors"),
    [
        (True, False, {"manual_replica_enabled": True}, ["manual_replica_enabled"]),
        (False, True, {"auto_switch_enabled": True}, ["auto_switch_enabled"]),
        (
            False,
            False,
            {"auto_switch_enabled": True, "manual_replica_enabled": True},
            ["auto_switch_enabled", "manual_replica_enabled"],
        ),
        (True, False, {"manual_replica_enabled": True, "auto_switch_enabled": False}, []),
        (False, True, {"manual_replica_enabled": False, "auto_switch_enabled": True}, []),
        (False, False, {"manual_replica_enabled": True}, []),
        (False, False, {"auto_switch_enabled": True}, []),
        (True, False, {"auto_switch_enabled": True}, []),
        (True, False, {"cooldown_minutes": 1}, []),
        (True, False, {"manual_replica_enabled": False, "auto_switch_enabled": False}, []),
    ],
)
def test_the_two_exclude_each_other(auto, manual, changes, errors):
    present = {"auto_switch_enabled": auto, "manual_replica_enabled": manual}
    if not errors:
        rules.exclude(present=present, changes=changes)
        return
    with pytest.raises(BadInput) as caught:
        rules.exclude(present=present, changes=changes)
    assert list(caught.value.errors) == errors
