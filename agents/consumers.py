"""`GET pending-commands?wait=S`, held open without a thread: a task waits for a hint."""

import asyncio
import json
import logging
import random
from typing import Any
from urllib.parse import parse_qsl

from channels.db import database_sync_to_async
from channels.generic.http import AsyncHttpConsumer
from channels.layers import get_channel_layer
from django.utils import timezone

from agents import polling
from agents.models import Instance
from agents.polling import Question
from clients import auth, bridge, feed
from spotopt.lib import api_errors
from spotopt.lib.errors import Unauthenticated

log = logging.getLogger(__name__)

# A hint may be lost: look again now and then, not all at the same moment.
LOOK_AGAIN_SECONDS = 5.0
SPREAD_SECONDS = 1.0
# More than this is no request for commands.
BODY_LIMIT = 64 * 1024
JSON = (b"content-type", b"application/json")
# Of the status lines that a refusal may bring along.
PASSED_ON = ("Retry-After", "WWW-Authenticate")


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


class PendingCommandsConsumer(AsyncHttpConsumer):  # type: ignore[misc]
    """Answers as soon as there is a command or the machine's standing changes, else after `wait` seconds."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Wait for the answer and for the client's leaving at once; Channels' own loop takes turns."""
        self.scope = scope
        self.base_send = send
        self.hint, self.joined = asyncio.Event(), asyncio.Event()
        tasks = [
            asyncio.ensure_future(self.respond()),
            asyncio.ensure_future(until_gone(receive)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except ClientGone:
            log.debug("a held request was given up by its client")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def respond(self) -> None:
        """Work out the answer, or the refusal in the API's shape, and send it."""
        headers: list[tuple[bytes, bytes]] = [JSON]
        try:
            status, body = 200, await self.work_out()
        except Exception as error:
            refusal = await in_thread(api_errors.handle)(error, {})
            if refusal is None:
                log.exception("a held request failed")
                status, body = 500, api_errors.body("The server failed; it has been logged.")
            else:
                status, body = refusal.status_code, refusal.data
                headers += [
                    (name.lower().encode(), str(refusal[name]).encode())
                    for name in PASSED_ON
                    if refusal.has_header(name)
                ]
        await self.send_response(status, json.dumps(body).encode(), headers=headers)

    async def work_out(self) -> dict[str, Any]:
        """The answer's body. Raises what the API refuses with."""
        query = dict(parse_qsl(self.scope["query_string"].decode("latin-1")))
        header = dict(self.scope["headers"]).get(b"authorization", b"").decode("latin-1")
        address = (self.scope.get("client") or ["unknown"])[0]
        caller = await in_thread(authenticate)(header, address)
        wait = polling.wait_seconds(query)
        question = Question(
            caller=caller,
            agent_id=self.scope["url_route"]["kwargs"]["agent_id"],
            instance_id=query.get("instance_id") or None,
        )
        instance = await in_thread(polling.machine)(question)
        # Listening comes before looking: what happens in between is then not missed.
        listening = asyncio.ensure_future(self.listen(instance))
        try:
            await self.listening_or_failed(listening)
            await self.news(instance, wait)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        found: dict[str, Any] = await in_thread(answer)(question)
        return found

    async def listen(self, instance: Instance) -> None:
        """Set `hint` for every message to this machine's group, or to all machines."""
        layer = get_channel_layer()
        if layer is None:
            return
        await bridge.ready()
        channel = await layer.new_channel()
        groups = (feed.machine_group(instance.pk), feed.MACHINES)
        try:
            for group in groups:
                await layer.group_add(group, channel)
            self.joined.set()
            while True:
                await layer.receive(channel)
                self.hint.set()
        finally:
            for group in groups:
                await layer.group_discard(group, channel)

    async def listening_or_failed(self, listening: "asyncio.Future[None]") -> None:
        """Wait until hints are heard; without a working channel layer, go on by looking now and then."""
        joined = asyncio.ensure_future(self.joined.wait())
        tasks: set[asyncio.Future[Any]] = {joined, listening}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        joined.cancel()
        if listening.done() and (error := listening.exception()) is not None:
            log.warning("no hints for held requests: %s", type(error).__name__)

    async def news(self, instance: Instance, wait: float) -> None:
        """Return when there is something to tell, or `wait` seconds are over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        while not await in_thread(has_news)(instance):
            left = end - loop.time()
            if left <= 0:
                return
            pause = LOOK_AGAIN_SECONDS + random.uniform(0, SPREAD_SECONDS)  # noqa: S311 - no secret
            try:
                async with asyncio.timeout(min(left, pause)):
                    await self.hint.wait()
            except TimeoutError:
                pass
            self.hint.clear()


async def until_gone(receive: Any) -> None:
    """Read the request's body away; raises ClientGone when the connection is closed."""
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        size += len(message.get("body", b""))
        if size > BODY_LIMIT:
            raise ClientGone


def in_thread(function: Any) -> Any:
    """The function on a thread that is held only while it runs, with its own database connection."""
    return database_sync_to_async(function, thread_sensitive=False)


def authenticate(header: str, address: str) -> auth.Caller:
    """The caller of an `Authorization` header; held requests know no sessions."""
    caller = auth.authenticate_header(header, address=address, now=timezone.now())
    if caller is None:
        raise Unauthenticated("Send a token.")
    return caller


def has_news(instance: Instance) -> bool:
    """By the clock of now."""
    return polling.has_news(instance, now=timezone.now())


def answer(question: Question) -> dict[str, Any]:
    """The machine is looked up anew: it may have been fenced meanwhile."""
    return polling.answer(polling.machine(question), now=timezone.now())
