"""One simulator for the whole run, reset before each test that uses it; and one without agents."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .harness import Sim


@pytest.fixture(scope="session")
def _running() -> Iterator[Sim]:
    sim = Sim(speed=100)
    try:
        yield sim
    finally:
        assert sim.stop() == 0


@pytest.fixture
def sim(_running: Sim) -> Sim:
    _running.reset()
    return _running


@pytest.fixture(scope="session")
def _idle() -> Iterator[Sim]:
    sim = Sim("--no-agents", speed=100)
    try:
        yield sim
    finally:
        assert sim.stop() == 0


@pytest.fixture
def idle(_idle: Sim) -> Sim:
    """A simulator that runs no user data."""
    _idle.reset()
    return _idle
