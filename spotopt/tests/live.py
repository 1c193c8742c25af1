"""Fixtures for what crosses processes: `listening` is a channel layer that hears PostgreSQL."""

import pytest
import pytest_asyncio
from channels.layers import channel_layers, get_channel_layer

from clients import bridge


@pytest.fixture
def layer():
    """A channel layer that no other test has used."""
    channel_layers.backends = {}
    yield get_channel_layer()
    channel_layers.backends = {}


@pytest_asyncio.fixture
async def listening(layer):
    """The layer, with the bridge up."""
    assert await bridge.ready(10)
    yield layer
    await bridge.stop()
