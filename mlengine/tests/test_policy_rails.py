"""Whatever the numbers: the policy never breaks a limit, and what it says is consistent."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from mlengine import gates, policies
from mlengine.gates import SWITCHES_PER_WEEK
from mlengine.situation import Current, Limits, Place, Situation, State
from mlengine.tests.cases import NOON

POOLS = [f"{kind}.use1-az{zone}" for kind in ("t3.medium", "m5.large") for zone in (1, 2, 4)]
prices = st.none() | st.decimals("0.000001", "20", places=6, allow_nan=False)
shares = st.floats(0, 1) | st.sampled_from([0.3, 0.5, 0.30000000000000004, 0.5000000000000001])
risks = shares | st.just(float("nan"))
moments = st.none() | st.timedeltas(timedelta(days=-40), timedelta(0)).map(lambda d: NOON + d)
until = st.none() | st.timedeltas(timedelta(hours=-1), timedelta(hours=1)).map(lambda d: NOON + d)
flags = st.sampled_from([True] * 15 + [False])


def places(pool_id, kind=Place, **fields):
    instance_type, az_id = pool_id.rsplit(".", 1)
    return st.builds(
        kind,
        pool_id=st.just(pool_id),
        instance_type=st.just(instance_type),
        az_id=st.just(az_id),
        price=prices,
        on_demand_price=prices,
        risk=risks,
        spot_quarantined_until=until,
        on_demand_quarantined_until=until,
        **fields,
    )


limits = st.builds(
    Limits,
    min_savings_threshold=shares,
    max_risk_score=shares,
    cooldown=st.timedeltas(timedelta(0), timedelta(days=30)),
    max_switches_per_day=st.integers(0, 6),
    own=st.frozensets(st.sampled_from(["min_savings_threshold", "max_risk_score"])),
)
states = st.builds(
    State,
    enabled=flags,
    automation=flags,
    client_active=flags,
    connected=flags,
    online=flags,
    auto_switch=flags,
    interrupted=flags.map(lambda flag: not flag),
    moving=flags.map(lambda flag: not flag),
    switch_ordered=flags.map(lambda flag: not flag),
    blackout=st.sampled_from([""] * 9 + ["maintenance"]),
    last_switch_at=moments,
    last_failure_at=moments,
    switches_24h=st.integers(0, 4),
    switches_7d=st.integers(0, 12),
    room=st.integers(-1, 20),
)
free = st.just(State())
situations = st.builds(
    Situation,
    now=st.just(NOON),
    current=st.none() | places(POOLS[0], Current, mode=st.sampled_from(["spot", "on-demand"])),
    candidates=st.tuples(*map(places, POOLS)),
    state=free | states,
    limits=st.just(Limits()) | limits,
    target_savings_percent=st.integers(0, 100),
    overlap_after=st.timedeltas(timedelta(0), timedelta(days=1)),
)


@settings(max_examples=600, deadline=None)
@given(situations)
def test_a_move_breaks_no_rule(seen):
    verdict = policies.SEED.decide(seen)
    assert verdict.reason
    if verdict.action == "stay":
        assert (verdict.pool_id, verdict.mode) == ("", "")
        return
    state, rules, here = seen.state, seen.limits, seen.current
    assert here is not None
    assert here.price is not None
    assert all([state.enabled, state.automation, state.online, state.auto_switch])
    assert all([state.connected, state.client_active, state.room >= 1])
    assert not any([state.interrupted, state.moving, state.switch_ordered, state.blackout])
    assert state.last_switch_at is None or NOON - state.last_switch_at >= rules.cooldown
    assert state.switches_24h < rules.max_switches_per_day
    assert state.switches_7d < SWITCHES_PER_WEEK
    assert (verdict.pool_id, verdict.mode) != (here.pool_id, here.mode)
    if verdict.action == "switch":
        check_switch(seen, verdict)
    else:
        assert verdict.mode == "on-demand"
        assert here.mode == "spot"
        assert here.risk > 0.5
        assert here.on_demand_price is not None


def check_switch(seen, verdict):
    here, rules = seen.current, seen.limits
    target = {place.pool_id: place for place in seen.candidates}[verdict.pool_id]
    assert verdict.mode == "spot"
    assert target.price is not None
    assert target.spot_quarantined_until is None or target.spot_quarantined_until <= NOON
    leaving = here.mode == "spot" and here.risk > 0.5
    staying = here.on_demand_price if leaving else here.price
    saving = float(1 - target.price / staying)
    assert saving > rules.min_savings_threshold
    assert target.price < staying
    assert target.risk <= 0.5
    if target.risk >= min(0.3, rules.max_risk_score):
        assert saving > 0.5
    if "max_risk_score" in rules.own:
        assert target.risk < rules.max_risk_score


@settings(max_examples=300, deadline=None)
@given(situations)
def test_every_other_pool_has_its_reason_and_the_order_of_pools_is_nothing(seen):
    verdict = policies.SEED.choose(seen)
    turned = Situation(**{**vars(seen), "candidates": tuple(reversed(seen.candidates))})
    again = policies.SEED.choose(turned)
    assert (again.action, again.pool_id, again.reason) == (
        verdict.action,
        verdict.pool_id,
        verdict.reason,
    )
    if verdict.action == "switch":
        here = {seen.current.pool_id} if seen.current.mode == "spot" else set()
        assert set(verdict.passed_over) == set(POOLS) - {verdict.pool_id} - here
        assert all(verdict.passed_over.values())


@settings(max_examples=300, deadline=None)
@given(situations)
def test_a_cheaper_winner_stays_the_winner(seen):
    """Were the taken pool cheaper still, it would be taken all the more."""
    verdict = policies.SEED.choose(seen)
    if verdict.action != "switch":
        return
    cheaper = tuple(
        Place(**{**vars(place), "price": place.price / 2})
        if place.pool_id == verdict.pool_id and place.price > Decimal("0.00001")
        else place
        for place in seen.candidates
    )
    again = policies.SEED.choose(Situation(**{**vars(seen), "candidates": cheaper}))
    assert (again.action, again.pool_id) == ("switch", verdict.pool_id)


@settings(max_examples=200, deadline=None)
@given(situations)
def test_its_own_verdicts_pass_the_rails_for_all_policies(seen):
    if gates.shut(seen):
        return
    verdict = policies.SEED.choose(seen)
    assert gates.hold(seen, verdict) == verdict
