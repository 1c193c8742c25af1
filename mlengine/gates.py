"""Why a slot must not be moved by itself, whatever it would save: pure, and the same for every policy.

`shut` is asked before a policy chooses, `hold` after it: whoever wrote the policy, no move breaks a limit
that the client has set.
"""

from datetime import timedelta

from mlengine.situation import ON_DEMAND, SPOT, Limits, Situation, Verdict

SWITCHES_PER_WEEK = 10


def shut(situation: Situation) -> str:
    """The first reason against any move, in words; empty when the slot may be moved."""
    state = situation.state
    if situation.current is None:
        return "no machine serves this slot at present"
    closed = {
        "the agent is disabled": not state.enabled,
        "the client is being deleted": not state.client_active,
        "automation is stopped": not state.automation,
        "the agent is offline": not state.online,
        "auto-switch is off": not state.auto_switch,
        "an interruption of its machine is open": state.interrupted,
        "a replica stands by or a move is under way": state.moving,
        "a switch is ordered already": state.switch_ordered,
        "no AWS account is connected": not state.connected,
        f"maintenance: {state.blackout}": bool(state.blackout),
    }
    for reason, applies in closed.items():
        if applies:
            return reason
    return _too_often(situation, situation.limits)


def _too_often(situation: Situation, limits: Limits) -> str:
    state, now = situation.state, situation.now
    minutes = limits.cooldown / timedelta(minutes=1)
    for what, at in (("switch", state.last_switch_at), ("attempt", state.last_failure_at)):
        if at is not None and now - at < limits.cooldown:
            ago = (now - at) / timedelta(minutes=1)
            failed = "" if what == "switch" else ", which failed,"
            return f"cooldown: the last {what}{failed} was {ago:.0f} minutes ago, of {minutes:.0f}"
    if state.switches_24h >= limits.max_switches_per_day:
        return (
            f"{state.switches_24h} switches within a day: at most {limits.max_switches_per_day} are"
            " allowed"
        )
    if state.switches_7d >= SWITCHES_PER_WEEK:
        return (
            f"{state.switches_7d} switches within a week: at most {SWITCHES_PER_WEEK} are allowed"
        )
    if state.room < 1:
        return "the client's cap of instances leaves no room for a second machine"
    return ""


def hold(situation: Situation, verdict: Verdict) -> Verdict:
    """The verdict, or to stay, with the reason, where it breaks a rule that binds every policy."""
    if verdict.action == "stay":
        return verdict
    why = shut(situation) or _breach(situation, verdict)
    return (
        Verdict(
            "stay",
            f"{why} ({verdict.reason})",
            terms=verdict.terms,
            passed_over=verdict.passed_over,
        )
        if why
        else verdict
    )


def _breach(situation: Situation, verdict: Verdict) -> str:
    current, limits = situation.current, situation.limits
    known = {place.pool_id: place for place in situation.candidates}
    if current is not None:
        known.setdefault(current.pool_id, current)
    place = known.get(verdict.pool_id)
    if current is None or place is None:
        return "the slot may not run in the chosen pool"
    if (place.pool_id, verdict.mode) == (current.pool_id, current.mode):
        return "the slot is there already"
    mode = {"switch": SPOT, "on_demand": ON_DEMAND}.get(verdict.action)
    if verdict.mode != mode:
        return "the action does not fit its mode"
    if mode == ON_DEMAND:
        return "" if place.on_demand_price is not None else "its on-demand price is unknown"
    if place.price is None:
        return "its price is unknown or stale"
    if "max_risk_score" in limits.own and not place.risk < limits.max_risk_score:
        return f"the client's limit on risk is {limits.max_risk_score:.2f}"
    if "min_savings_threshold" in limits.own:
        prices = [p for p in (current.price, current.on_demand_price) if p is not None]
        saving = float(1 - place.price / max(prices)) if prices else 0.0
        if not saving > limits.min_savings_threshold:
            return f"the client asks for a saving over {limits.min_savings_threshold:.0%}"
    return ""
