"""What several of these tests stand on. Read before Django is set up: models are imported late."""

from contextlib import contextmanager

import psycopg
import pytest
from django.db import connection


@pytest.fixture
def standby(slot):
    """A machine that stands by in Acme's slot, in another zone."""
    from spotopt.tests import cast

    return cast.make_instance(
        slot.agent,
        "i-0acme0000000002",
        role="standby",
        pool=cast.make_pool(az_id="use1-az2"),
    )


@pytest.fixture
def standby_api(slot, standby):
    """Calls as the standby."""
    from spotopt.tests import cast

    return cast.bearer(cast.agent_token(slot.agent, standby.instance_id))


@pytest.fixture
def url(slot):
    """`url("heartbeat")` is that route of Acme's agent."""
    return lambda tail="": f"/api/agents/{slot.agent.pk}" + (f"/{tail}" if tail else "")


class Rival:
    """A second connection to the test database: what another process does."""

    def __init__(self, connection):
        self.connection = connection

    @contextmanager
    def transaction(self):
        """Hold whatever the statements lock until the block ends."""
        with self.connection.transaction(), self.connection.cursor() as cursor:
            yield cursor


@pytest.fixture
def rival(db):
    """For tests with `transaction=True`: the rows have to be committed to be seen."""
    parameters = connection.get_connection_params()
    for key in ("context", "cursor_factory", "prepare_threshold"):
        parameters.pop(key, None)
    with psycopg.connect(**parameters, autocommit=True) as other:
        yield Rival(other)
