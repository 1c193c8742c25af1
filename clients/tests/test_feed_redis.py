"""Hints where REDIS_URL is set: through the channel layer, once the change is committed."""

import shutil
import socket
import subprocess
import time

import pytest
from asgiref.sync import async_to_sync
from channels.layers import channel_layers
from django.db import transaction

from clients import feed


@pytest.fixture
def by_layer(layer, settings):
    settings.REDIS_URL = "redis://localhost:1/0"
    return layer


def heard(layer, *groups):
    """A function that tells what has come to these groups so far."""

    @async_to_sync
    async def join():
        channel = await layer.new_channel()
        for group in groups:
            await layer.group_add(group, channel)
        return channel

    channel = join()

    def so_far():
        queue = layer.channels.get(channel)
        return [] if queue is None else [queue.get_nowait()[1] for _ in range(queue.qsize())]

    return so_far


@pytest.mark.django_db(transaction=True)
def test_a_hint_waits_for_the_commit(by_layer, client_acme):
    hints = heard(by_layer, feed.client_group(client_acme.pk))
    with transaction.atomic():
        feed.publish(client_id=client_acme.pk, kind="replica", id="1")
        assert hints() == []
    assert [message["hint"]["id"] for message in hints()] == ["1"]


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_not_hinted_at(by_layer, client_acme):
    hints = heard(by_layer, feed.STAFF)
    with transaction.atomic():
        feed.publish(client_id=client_acme.pk, kind="replica")
        transaction.set_rollback(True)
    assert hints() == []


@pytest.mark.django_db(transaction=True)
def test_without_redis_the_change_still_stands(by_layer, client_acme, monkeypatch, caplog):
    async def gone(group, message):
        raise ConnectionError("redis is gone")

    monkeypatch.setattr(by_layer, "group_send", gone)
    with transaction.atomic():
        client_acme.name = "Changed"
        client_acme.save()
        feed.publish(client_id=client_acme.pk, kind="client")
    client_acme.refresh_from_db()
    assert client_acme.name == "Changed"
    assert "a hint was lost: ConnectionError" in caplog.text


@pytest.fixture
def redis_url():
    """A Redis of this test's own."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server on this machine")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([program, "--port", str(port), "--save", "", "--bind", "127.0.0.1"])
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.05)
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait(10)


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_through_a_real_redis(redis_url, settings, layer, client_acme):
    settings.REDIS_URL = redis_url
    backend = {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [redis_url]},
    }
    channel_layers.backends = {}
    settings.CHANNEL_LAYERS = {"default": backend}

    @async_to_sync
    async def hear():
        from channels.db import database_sync_to_async
        from channels.layers import get_channel_layer

        here = get_channel_layer()
        channel = await here.new_channel()
        await here.group_add(feed.client_group(client_acme.pk), channel)
        await database_sync_to_async(feed.publish)(client_id=client_acme.pk, kind="replica", id="1")
        return await here.receive(channel)

    assert hear()["hint"]["id"] == "1"
