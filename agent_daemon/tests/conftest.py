"""Fixtures: the surroundings of one machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .support.fake_ec2 import FakeEc2
from .support.fake_metadata import FakeMetadata
from .support.fake_server import CLIENT_TOKEN, FakeServer
from .support.hook_folder import HookFolder
from .support.parts import Parts
from .support.process import AgentProcess


@pytest.fixture
def metadata() -> Iterator[FakeMetadata]:
    fake = FakeMetadata()
    yield fake
    fake.stop()


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer()
    yield fake
    fake.stop()


@pytest.fixture
def ec2() -> Iterator[FakeEc2]:
    fake = FakeEc2()
    yield fake
    fake.stop()


@pytest.fixture
def hooks(tmp_path: Path) -> HookFolder:
    return HookFolder(tmp_path / "hooks")


@pytest.fixture
def environment(
    tmp_path: Path, metadata: FakeMetadata, server: FakeServer, hooks: HookFolder
) -> dict[str, str]:
    """The settings of an agent on this machine."""
    return {
        "SPOTOPT_SERVER_URL": server.url,
        "SPOTOPT_TOKEN": CLIENT_TOKEN,
        "SPOTOPT_STATE_DIR": str(tmp_path / "state"),
        "SPOTOPT_HOOKS_DIR": str(hooks.path),
        "SPOTOPT_INTERVAL_SCALE": "0.003",
        "SPOTOPT_HOOK_SECONDS": "5",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.url,
    }


@pytest.fixture
def agent(tmp_path: Path, environment: dict[str, str]) -> Iterator[Callable[..., AgentProcess]]:
    """Starts agents as processes, with settings of their own over ``environment``."""
    started: list[AgentProcess] = []

    def start(**settings: str) -> AgentProcess:
        process = AgentProcess(tmp_path, {**environment, **settings}).start()
        started.append(process)
        return process

    yield start
    for process in started:
        if process.process is not None and process.process.poll() is None:
            process.kill()


@pytest.fixture
def parts(tmp_path: Path, server: FakeServer, hooks: HookFolder) -> Iterator[Parts]:
    """The agent's parts in this process, not registered yet."""
    made = Parts(tmp_path, urls=(server.url,), token=CLIENT_TOKEN)
    yield made
    made.close()
