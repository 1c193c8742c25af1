"""The web process: requests to Django, held-open ones and websockets to consumers."""

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "spotopt.settings")
# Read with the settings: each request has a thread of its own here, so connections are pooled.
os.environ.setdefault("DATABASE_POOL", "true")

from django.core.asgi import get_asgi_application

pages: Any = get_asgi_application()

from urllib.parse import parse_qs  # noqa: E402

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.urls import path, re_path  # noqa: E402

from agents import warmth  # noqa: E402
from agents.consumers import PendingCommandsConsumer  # noqa: E402
from clients import bridge  # noqa: E402
from clients.consumers import FeedConsumer, NoSuchSocket  # noqa: E402

held_open: Any = PendingCommandsConsumer.as_asgi()


def waits(scope: dict[str, Any]) -> bool:
    """Whether a request for commands asks to be held open: GET with `wait` above zero."""
    if scope["method"] != "GET":
        return False
    wait = parse_qs(scope["query_string"].decode("latin-1")).get("wait", ["0"])[-1]
    # Not as a number: what is too long to be one is refused where it is read.
    return wait.isascii() and wait.isdigit() and bool(wait.strip("0"))


async def pending_commands(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Endpoint 4: without a thread where it waits, as any other request where it doesn't."""
    await (held_open if waits(scope) else pages)(scope, receive, send)


commands: Any = pending_commands
router = ProtocolTypeRouter(
    {
        "http": URLRouter(
            [
                re_path(r"^api/agents/(?P<agent_id>[^/]+)/pending-commands$", commands),
                re_path(r"", pages),
            ]
        ),
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(
                URLRouter(
                    [
                        path("ws/feed", FeedConsumer.as_asgi()),
                        re_path(r"", NoSuchSocket.as_asgi()),
                    ]
                )
            )
        ),
    }
)


warmth.up_in_the_background()


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Daphne's entry. The first connection starts the listener that feeds the others."""
    bridge.ensure_running()
    await router(scope, receive, send)
