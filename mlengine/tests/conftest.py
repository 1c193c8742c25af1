"""Acme with an account, one machine, and a market in which the second zone is worth the move."""

from datetime import timedelta

import pytest


@pytest.fixture
def acme(client_acme, now):
    """Connected to AWS."""
    from mlengine.tests import world  # its models need Django set up

    return world.connect(client_acme, now=now)


@pytest.fixture
def market(acme, now):
    """The specification's example: .0456 here, .0312 there."""
    from mlengine.tests import world

    world.prices(at=now, here="0.0456", b="0.0312", c="0.0440")
    world.on_demand("0.0832", at=now)


@pytest.fixture
def old_slot(slot, now):
    """Acme's machine, in service for two days: the risk of its youth is over."""
    slot.primary.launched_at = now - timedelta(days=2)
    slot.primary.save()
    return slot
