"""What each setting of an agent may be. Pure: the same rules for the API, pages and the admin."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from agents import routing_rules
from spotopt.lib.errors import BadInput

TARGET_GROUP = re.compile(
    r"arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:\d{12}:targetgroup/[A-Za-z0-9-]{1,32}/[0-9a-f]{1,32}"
)
# An id or a name, with `:version` if it is not the default one.
TEMPLATE = re.compile(r"[A-Za-z0-9()./_-]{3,50}(:[0-9]{1,5}|:\$Latest|:\$Default)?")
DAY = 86_400


class _Wrong(Exception):
    """A value is refused; the text says what would do."""


Rule = Callable[[Any], Any]


def _unknown(value: Any) -> Any:
    raise _Wrong("There is no such setting.")


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Wrong("Must be true or false.")
    return value


def _whole(low: int, high: int) -> Rule:
    def check(value: Any) -> int:
        if isinstance(value, float) and math.isfinite(value) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _Wrong(f"Must be a whole number from {low} to {high}.")
        return value

    return check


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise _Wrong("Must be a number from 0 to 1.")
    return float(value)


def _one_of(*choices: str) -> Rule:
    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise _Wrong(f"Must be one of: {', '.join(choices)}.")
        return value

    return check


def _target_group(value: Any) -> str:
    if not isinstance(value, str) or (value and not TARGET_GROUP.fullmatch(value)):
        raise _Wrong("Must be the ARN of a target group, or empty.")
    return value


def _launch_template(value: Any) -> str:
    if not isinstance(value, str) or (value and not TEMPLATE.fullmatch(value)):
        raise _Wrong("Must be the id or name of a launch template, or empty.")
    return value


def _routing(value: Any) -> dict[str, Any]:
    try:
        return routing_rules.document(value)
    except routing_rules.Wrong as error:
        raise _Wrong(str(error)) from None


FIELDS: Mapping[str, Rule] = {
    "enabled": _boolean,
    "auto_switch_enabled": _boolean,
    "auto_terminate_enabled": _boolean,
    "manual_replica_enabled": _boolean,
    "target_savings_percent": _whole(0, 100),
    "max_switches_per_day": _whole(0, 1000),
    "cooldown_minutes": _whole(0, 43_200),
    "min_savings_threshold": _share,
    "max_risk_score": _share,
    "terminate_wait_seconds": _whole(0, DAY),
    "quiesce_seconds": _whole(0, 90),
    "sync_kind": _one_of("none", "hook"),
    "target_group_arn": _target_group,
    "routing": _routing,
    "launch_template": _launch_template,
}
EXCLUSIVE = ("auto_switch_enabled", "manual_replica_enabled")


def check(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they are stored. Raises BadInput that names every field at fault."""
    if not changes:
        raise BadInput("Nothing to change: name at least one setting.")
    errors: dict[str, list[str]] = {}
    good: dict[str, Any] = {}
    for name, value in changes.items():
        try:
            good[name] = FIELDS.get(name, _unknown)(value)
        except _Wrong as error:
            errors[name[:80]] = [str(error)]
    if errors:
        name, texts = next(iter(errors.items()))
        raise BadInput(f"{name}: {texts[0]}", errors=errors)
    return good


def exclude(*, present: Mapping[str, bool], changes: Mapping[str, Any]) -> None:
    """Auto-switch and manual replica exclude each other: refuse a change after which both would be on."""
    if not all(changes.get(name, present[name]) for name in EXCLUSIVE):
        return
    asked = [name for name in EXCLUSIVE if changes.get(name)]
    text = "Auto-switch and manual replica exclude each other: "
    text += (
        "switch one of them off."
        if len(asked) == 2
        else f"set {next(n for n in EXCLUSIVE if n not in asked)} to false in the same request."
    )
    raise BadInput(text, errors={name: [text] for name in asked})
