"""One LISTEN task per web process: hints from PostgreSQL into this process's channel layer.

The in-memory layer never leaves its process, so what a worker or the guard publishes comes by NOTIFY.
Where REDIS_URL is set the layer itself crosses processes and nothing listens here.
"""

import asyncio
import json
import logging
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import connection
from psycopg.conninfo import conninfo_to_dict

from clients import feed

log = logging.getLogger(__name__)

PROBE_SECONDS = 20.0  # a quiet connection is asked this often whether it still lives
RETRY_SECONDS = (0.1, 0.5, 1.0, 2.0)  # between attempts to connect again; the last one repeats
# For a peer that vanished without a word.
KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
FOR_DJANGO = ("context", "cursor_factory", "prepare_threshold")


class Listener:
    """The LISTEN task of one event loop."""

    def __init__(self) -> None:
        self.listening = asyncio.Event()
        self.heard_before = False
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the task unless it runs."""
        if self.task is None or self.task.done():
            self.listening.clear()
            self.task = asyncio.get_running_loop().create_task(self.run(), name="feed bridge")

    async def run(self) -> None:
        """Listen for ever; connect again after whatever happens."""
        failures = 0
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError) as error:
                if self.listening.is_set():
                    failures = 0
                self.listening.clear()
                pause = RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)]
                failures += 1
                log.warning("the feed's listener lost PostgreSQL (%s)", type(error).__name__)
                await asyncio.sleep(pause)

    async def _listen(self) -> None:
        async with await psycopg.AsyncConnection.connect(
            **parameters(), autocommit=True
        ) as listener:
            await listener.execute(f"LISTEN {feed.CHANNEL}")
            self.listening.set()
            if self.heard_before:
                await resynchronise()
            self.heard_before = True
            while True:
                async for notice in listener.notifies(timeout=PROBE_SECONDS):
                    await forward(notice.payload)
                await listener.execute("SELECT 1")


listeners: WeakKeyDictionary[asyncio.AbstractEventLoop, Listener] = WeakKeyDictionary()


def ensure_running() -> None:
    """Have this event loop listen; cheap to call for every connection."""
    if settings.REDIS_URL:
        return
    loop = asyncio.get_running_loop()
    listener = listeners.get(loop)
    if listener is None:
        listener = listeners[loop] = Listener()
    listener.start()


async def ready(seconds: float = 3.0) -> bool:
    """Wait until what is published from now on is heard here; False if that takes too long."""
    ensure_running()
    if settings.REDIS_URL:
        return True
    try:
        async with asyncio.timeout(seconds):
            await listeners[asyncio.get_running_loop()].listening.wait()
    except TimeoutError:
        return False
    return True


async def stop() -> None:
    """End this loop's listener, if there is one."""
    listener = listeners.pop(asyncio.get_running_loop(), None)
    if listener is not None and listener.task is not None:
        listener.task.cancel()
        await asyncio.gather(listener.task, return_exceptions=True)


async def forward(payload: str) -> None:
    """Hand one message on to its groups; what can't be read is logged and dropped."""
    try:
        message: dict[str, Any] = json.loads(payload)
        groups = feed.groups_of(message)
    except (ValueError, KeyError, TypeError, AttributeError):
        log.warning("an unreadable notification was dropped")
        return
    await send(groups, message)


async def resynchronise() -> None:
    """What was published while nobody listened is lost: everybody looks again."""
    await send([feed.BROWSERS], {"type": "feed.hint", "hint": {"kind": "resync", "id": ""}})
    await send([feed.MACHINES], {"type": "machine.wake", "instance": ""})


async def send(groups: list[str], message: dict[str, Any]) -> None:
    """To every member of these groups in this process."""
    layer = get_channel_layer()
    if layer is None:
        return
    for group in groups:
        await layer.group_send(group, message)


def parameters() -> dict[str, Any]:
    """What to connect with: DATABASE_DIRECT_URL where it differs from the pages' own database."""
    if settings.DATABASE_DIRECT_URL != settings.DATABASE_URL:
        found: dict[str, Any] = conninfo_to_dict(settings.DATABASE_DIRECT_URL)
    else:
        found = connection.get_connection_params()  # the test database's, in tests
    for key in FOR_DJANGO:
        found.pop(key, None)
    return {"connect_timeout": 5, "application_name": "spotopt feed", **KEEPALIVES, **found}
