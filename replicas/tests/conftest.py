"""The real simulated AWS as a process of its own, and Acme's machines in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from simulator.tests.harness import Sim
from spotopt.cloud import session

if TYPE_CHECKING:
    from replicas.tests.world import Machine, World

SPEED = 200


@pytest.fixture(scope="session")
def simulator() -> Iterator[Sim]:
    """One process for the whole run; it runs no user data: the tests speak for the machines."""
    running = Sim("--no-agents", speed=SPEED)
    yield running
    running.stop()


@pytest.fixture
def aws(simulator: Sim, settings, monkeypatch) -> Sim:
    """The simulated AWS, empty, and the server's own account in it."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    settings.AWS_ENDPOINT_URL = simulator.url
    settings.SERVER_AWS_ACCOUNT = True
    settings.PUBLIC_URL = "https://spotopt.example"
    settings.DEFAULT_AMI = "ami-simulated00000000"
    settings.DEFAULT_LAUNCH_TEMPLATE = ""
    settings.REQUIRE_VERIFIED_INSTANCES = False
    simulator.reset()
    return simulator


@pytest.fixture(autouse=True, scope="session")
def static_files_are_not_looked_through() -> None:
    """WhiteNoise would, anew for every API client that a test makes."""
    from django.conf import settings

    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(autouse=True, scope="session")
def warm_clients_end_with_the_run() -> Iterator[None]:
    """Clients are kept by endpoint: a later simulator has another port, and its own."""
    yield
    session.forget()


@pytest.fixture
def world(aws: Sim, client_acme) -> World:
    """Acme, with an account and nothing in it."""
    from replicas.tests.world import World  # its models need Django set up

    return World(aws, client_acme)


@pytest.fixture
def impatient(monkeypatch) -> None:
    """Short waits for EC2 are handed to the guard soon, so that a test need not sit them out."""
    from replicas import sagas

    monkeypatch.setattr(sagas, "PATIENCE", timedelta(seconds=0.5))


@pytest.fixture
def primary(world: World) -> Machine:
    """A machine of Acme's in us-east-1a, enrolled and verified."""
    return world.enrol("us-east-1a")
