"""The live feed's websocket: it says what changed, the page asks for it."""

from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth.models import User

from clients import auth, bridge, feed

LOGGED_OUT = 4401  # close codes from 4000 on are ours


def groups_for(user_id: int) -> set[str] | None:
    """What this person's pages listen to, as things stand now; None for one who may not log in."""
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        return None
    caller = auth.caller_of_user(user)
    if caller.kind == "staff":
        return {feed.BROWSERS, feed.STAFF}
    return {feed.BROWSERS, *(feed.client_group(client_id) for client_id in caller.roles)}


class FeedConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """`/ws/feed`: a logged-in person gets `{"kind", "id", "client_id"?, …}` for what he may see."""

    async def connect(self) -> None:
        """Join the groups first, then accept: from then on nothing is missed."""
        self.followed: set[str] = set()
        user = self.scope.get("user")
        if user is None or not user.is_authenticated:
            await self.close()
            return
        self.user_id = user.pk
        await bridge.ready()
        if await self.follow():
            await self.accept()
        else:
            await self.close()

    async def disconnect(self, code: int) -> None:
        """Leave."""
        for group in getattr(self, "followed", set()):
            await self.channel_layer.group_discard(group, self.channel_name)

    async def receive(self, **frame: Any) -> None:
        """Pages have nothing to say here: whatever comes in is ignored."""

    async def follow(self) -> bool:
        """Bring the groups in line with what this person may see; False: nothing any more."""
        wanted = await database_sync_to_async(groups_for)(self.user_id)
        for group in self.followed - (wanted or set()):
            await self.channel_layer.group_discard(group, self.channel_name)
        for group in (wanted or set()) - self.followed:
            await self.channel_layer.group_add(group, self.channel_name)
        self.followed = wanted or set()
        return wanted is not None

    async def feed_hint(self, message: dict[str, Any]) -> None:
        """Pass a hint on; one of kind "access" means that somebody's role has changed."""
        hint = message["hint"]
        if hint["kind"] == "access" and not await self.follow():
            await self.close(code=LOGGED_OUT)
            return
        await self.send_json(hint)


class NoSuchSocket(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """Any other websocket address: refused, where Channels would log a traceback."""

    async def connect(self) -> None:
        """Refuse."""
        await self.close()
