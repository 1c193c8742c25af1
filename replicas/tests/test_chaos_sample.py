"""A few of the cases that `make chaos` plays in full: each way of breaking a failover, somewhere."""

import pytest

from replicas.chaos import cases, runner
from replicas.chaos.aws import Control

SAMPLE = [
    "emergency/none/launch/killed-after",
    "emergency/none/launch/lost-answer",
    "emergency/none/intend/capacity",
    "emergency/none/adopt/cut-before",
    "emergency/ready/rebind/killed-after",
    "emergency/ready/route/killed-before",
    "emergency/ready/promote/cut-after",
    "emergency/launching/registered/az-down",
    "manual/ready/terminate/denied",
    "rebalance/launching/synced/killed-before",
    "planned/none/begin/killed-after",
    "planned/launching/deroute/throttled",
]


@pytest.mark.parametrize("name", SAMPLE)
@pytest.mark.django_db(transaction=True)
def test_what_was_promised_holds_after(aws, name):
    outcome = runner.play(cases.parse(name, seed=1), aws=Control(aws.url))
    assert outcome.failures == []
    assert outcome.fired


def test_the_matrix_is_the_product_of_what_makes_sense():
    every = cases.matrix(seed=1)
    names = {case.name for case in every}
    assert len(names) == len(every) > 1000
    assert "planned/none/signal/killed-before" not in names
    assert "emergency/ready/launch/killed-before" not in names
    assert {case.fault for case in every} == set(cases.FAULTS)


def test_a_name_that_is_none_is_refused():
    for text in ("emergency/none/launch", "emergency/none/launch/boredom"):
        with pytest.raises(ValueError, match=r"none of|a case is"):
            cases.parse(text, seed=1)


def test_a_schedule_is_drawn_by_its_seed():
    assert cases.sample(20, seed=3) == cases.sample(20, seed=3)
    assert cases.sample(20, seed=3) != cases.sample(20, seed=4)
