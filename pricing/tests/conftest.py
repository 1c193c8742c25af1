from datetime import UTC, datetime

import pytest


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 5, 1, 12, 2, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def cold():
    """Nothing remembered from the test before."""
    # Imported here: pytest may read this file before Django is set up.
    from pricing import ondemand
    from spotopt.cloud import session

    session.forget()
    ondemand._asked.clear()
    yield
    session.forget()
