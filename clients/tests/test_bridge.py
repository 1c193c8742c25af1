"""Hints from PostgreSQL into this process, whatever becomes of the connection."""

import asyncio
from uuid import uuid4

import pytest
from channels.db import database_sync_to_async
from django.db import connection

from clients import bridge, feed

pytestmark = pytest.mark.django_db(transaction=True)

TERMINATE = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE application_name = 'spotopt feed' AND datname = current_database()
"""


@database_sync_to_async
def sql(text, *values):
    with connection.cursor() as cursor:
        cursor.execute(text, values)
        return cursor.fetchone()[0]


publish = database_sync_to_async(feed.publish)
wake_machine = database_sync_to_async(feed.wake_machine)


async def member(layer, *groups):
    """A function that waits for the next message to these groups."""
    channel = await layer.new_channel()
    for group in groups:
        await layer.group_add(group, channel)
    return lambda: asyncio.wait_for(layer.receive(channel), 10)


async def test_a_hint_reaches_its_client_and_staff_and_nobody_else(listening):
    acme, other = uuid4(), uuid4()
    of_acme = await member(listening, feed.client_group(acme))
    of_other = await member(listening, feed.client_group(other))
    of_staff = await member(listening, feed.STAFF)
    await publish(client_id=acme, kind="replica", id="1")
    await publish(client_id=other, kind="replica", id="2")
    assert (await of_acme())["hint"]["id"] == "1"
    assert (await of_other())["hint"]["id"] == "2"
    assert [(await of_staff())["hint"]["id"] for _ in range(2)] == ["1", "2"]


async def test_a_machine_is_woken(listening):
    instance = uuid4()
    its = await member(listening, feed.machine_group(instance))
    await wake_machine(uuid4())
    await wake_machine(instance)
    assert await its() == {"type": "machine.wake", "instance": str(instance)}


@pytest.mark.parametrize(
    "payload", ["", "{", "[]", "{}", '"x"', '{"type": "feed.hint"}', '{"type": 1, "hint": 2}']
)
async def test_what_cannot_be_read_is_dropped(listening, payload):
    of_staff = await member(listening, feed.STAFF)
    await sql("SELECT pg_notify(%s, %s)", feed.CHANNEL, payload)
    await publish(client_id=None, kind="after")
    assert (await of_staff())["hint"]["kind"] == "after"


async def test_a_lost_connection_is_made_again_and_everybody_looks_again(listening):
    browsers = await member(listening, feed.BROWSERS)
    machines = await member(listening, feed.MACHINES)
    of_staff = await member(listening, feed.STAFF)
    for turn in ("first", "second"):
        assert await sql(TERMINATE) >= 1  # one of an earlier test may still be on its way out
        assert (await browsers())["hint"] == {"kind": "resync", "id": ""}
        assert (await machines())["type"] == "machine.wake"
        await publish(client_id=None, kind=turn)
        assert (await of_staff())["hint"]["kind"] == turn


async def test_it_waits_for_a_database_that_is_not_there_yet(layer, monkeypatch):
    real = bridge.parameters()
    monkeypatch.setattr(bridge, "parameters", lambda: {**real, "port": 1, "host": "127.0.0.1"})
    try:
        assert not await bridge.ready(0.3)
        monkeypatch.setattr(bridge, "parameters", lambda: real)
        assert await bridge.ready(10)
    finally:
        await bridge.stop()


async def test_one_task_however_often_it_is_asked_for(listening):
    listener = bridge.listeners[asyncio.get_running_loop()]
    task = listener.task
    bridge.ensure_running()
    assert await bridge.ready()
    assert listener.task is task


async def test_a_task_that_ended_is_started_again(listening):
    task = bridge.listeners[asyncio.get_running_loop()].task
    assert task is not None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await bridge.ready(10)
    of_staff = await member(listening, feed.STAFF)
    await publish(client_id=None, kind="again")
    assert (await of_staff())["hint"]["kind"] == "again"


async def test_with_redis_nothing_listens(settings):
    settings.REDIS_URL = "redis://localhost:1/0"
    assert await bridge.ready()
    assert asyncio.get_running_loop() not in bridge.listeners


def test_it_listens_where_the_server_itself_is(settings):
    settings.DATABASE_DIRECT_URL = "postgresql://direct:pw@db.internal:5433/spotopt?sslmode=require"
    found = bridge.parameters()
    assert (found["host"], found["port"], found["dbname"]) == ("db.internal", "5433", "spotopt")
    assert found["sslmode"] == "require"
    assert found["keepalives_idle"] == 10
