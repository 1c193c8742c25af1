"""What our own machines' losses tell of pools: how many, how fresh, which fall together."""

from datetime import timedelta

import pytest

from agents.models import Instance
from replicas import losses
from replicas.losses import Fate
from replicas.models import InterruptionEvent
from spotopt.tests import cast

NOW = cast.NOON
A, B, C = "t3.medium.use1-az1", "t3.medium.use1-az2", "t3.medium.use1-az3"
DAYS = timedelta(days=1)


@pytest.fixture
def history(client_acme):
    """Writes Acme's past."""
    return History(client_acme)


class History:
    def __init__(self, client):
        self.client = client
        self.agent = cast.make_agent(client)
        self.count = 0

    def stood(self, pool_id, since, until=None, **fields):
        """A spot machine was in the pool over this span of days before now."""
        self.count += 1
        return cast.make_instance(
            self.agent,
            f"i-0{self.count:016x}",
            **{
                "role": Instance.Role.SUPERSEDED,
                "pool": cast.make_pool("t3.medium", pool_id.rsplit(".", 1)[1]),
                "launched_at": NOW - since * DAYS,
                "terminated_at": None if until is None else NOW - until * DAYS,
                **fields,
            },
        )

    def lost(self, pool_id, ago, kind="notice", **fields):
        """A machine of the pool was lost so long ago."""
        at = NOW - ago
        machine = self.stood(pool_id, 80, terminated_at=at + timedelta(minutes=2), **fields)
        return InterruptionEvent.objects.create(
            client=self.client,
            agent=self.agent,
            instance=machine,
            pool=machine.pool,
            kind=kind,
            key=str(self.count),
            detected_at=at,
            received_at=at,
        )

    def fates(self, *others, client=None):
        return losses.fates(A, others or (B, C), client_id=(client or self.client).pk, now=NOW)


def test_without_any_history_there_is_only_the_prior(history):
    assert history.fates() == {}
    assert Fate().share == pytest.approx(0.07)


def test_lost_within_ten_minutes_is_lost_together(history):
    history.lost(A, 3 * DAYS)
    history.lost(B, 3 * DAYS - timedelta(minutes=9))
    history.lost(C, 3 * DAYS - timedelta(minutes=11))
    assert history.fates() == {B: Fate(1, 1), C: Fate(1, 0)}
    assert Fate(1, 1).share == pytest.approx(1.7 / 11)
    assert Fate(1, 0).share == pytest.approx(0.7 / 11)


def test_the_other_may_fall_first(history):
    history.lost(A, 3 * DAYS)
    history.lost(B, 3 * DAYS + timedelta(minutes=9))
    assert history.fates()[B] == Fate(1, 1)


def test_a_burst_of_losses_is_one_case(history):
    for minutes in (0, 4, 8):
        history.lost(A, 3 * DAYS - timedelta(minutes=minutes))
    for minutes in (1, 2, 3):
        history.lost(B, 3 * DAYS - timedelta(minutes=minutes))
    assert history.fates()[B] == Fate(1, 1)


def test_a_pool_in_which_nobody_stood_tells_nothing(history):
    history.lost(A, 3 * DAYS)
    history.stood(B, since=2)
    history.stood(B, since=20, until=10)
    history.stood(C, since=4, mode="on-demand")
    assert history.fates() == {}


def test_a_pool_that_held_is_a_case_without_a_loss(history):
    history.lost(A, 3 * DAYS)
    history.lost(A, 5 * DAYS)
    history.stood(B, since=4)
    history.stood(C, since=6)
    assert history.fates() == {B: Fate(1, 0), C: Fate(2, 0)}


def test_a_recommendation_is_no_loss(history):
    history.lost(A, 3 * DAYS)
    history.lost(B, 3 * DAYS, kind="rebalance")
    assert history.fates()[B] == Fate(1, 0)


def test_deaths_count(history):
    history.lost(A, 3 * DAYS, kind="death")
    history.lost(B, 3 * DAYS, kind="death")
    assert history.fates()[B] == Fate(1, 1)


def test_the_loss_that_is_happening_is_not_judged_before_its_ten_minutes_are_over(history):
    history.stood(B, since=4)
    history.lost(A, timedelta(minutes=5))
    assert history.fates() == {}
    history.lost(A, timedelta(minutes=20))
    assert history.fates()[B] == Fate(1, 0)


def test_what_is_older_than_ninety_days_is_forgotten(history):
    history.stood(B, since=120)
    history.lost(A, 91 * DAYS, launched_at=NOW - 100 * DAYS)
    assert history.fates() == {}


def test_unverified_machines_count_for_their_own_client_alone(history, client_other):
    history.lost(A, 3 * DAYS, verified=False)
    history.stood(B, since=4)
    assert history.fates()[B] == Fate(1, 0)
    assert history.fates(client=client_other) == {}
    assert losses.by_pool([A], client_id=history.client.pk, now=NOW)[A][0] == 1
    assert losses.by_pool([A], client_id=client_other.pk, now=NOW) == {}


def test_verified_machines_count_for_everybody(history, client_other):
    history.lost(A, 3 * DAYS)
    assert losses.by_pool([A], client_id=client_other.pk, now=NOW)[A][0] == 1


def test_losses_by_pool_are_counted_over_thirty_days(history):
    history.lost(A, 31 * DAYS)
    history.lost(A, 29 * DAYS)
    history.lost(A, 2 * DAYS, kind="death")
    history.lost(A, 1 * DAYS, kind="rebalance")
    found = losses.by_pool([A, B], client_id=history.client.pk, now=NOW)
    assert found == {A: (2, NOW - 2 * DAYS)}


def test_one_statement_however_many_pools(history, django_assert_num_queries):
    history.lost(A, 3 * DAYS)
    others = [f"t3.medium.use1-az{n}" for n in range(2, 7)]
    for other in others:
        history.stood(other, since=4)
    with django_assert_num_queries(1):
        assert len(history.fates(*others)) == 5
