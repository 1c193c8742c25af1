"""The agent's parts put together in this process, without its loops."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Optional

from spotopt_agent.hooks import Hooks
from spotopt_agent.identity import Identity
from spotopt_agent.outbox import Events, Outbox
from spotopt_agent.registration import Registrar
from spotopt_agent.server import Over, Server
from spotopt_agent.session import Session
from spotopt_agent.settings import Settings
from spotopt_agent.standing import Standing
from spotopt_agent.statedir import StateDir
from spotopt_agent.store import Store
from spotopt_agent.workload import Workload

INSTANCE_ID = "i-0aaaaaaaaaaaaaaa1"
IDENTITY = Identity(
    instance_id=INSTANCE_ID,
    instance_type="t3.medium",
    region="us-east-1",
    az="us-east-1a",
    az_id="use1-az4",
    private_ip="10.0.0.7",
    mode="spot",
)


class Parts:
    """Everything between the settings and the loops. ``over`` notes how the session ended."""

    def __init__(
        self, folder: Path, *, urls: tuple[str, ...], token: Optional[str], **settings: Any
    ) -> None:
        self.settings = Settings(
            server_urls=urls,
            state_dir=folder / "state",
            hooks_dir=folder / "hooks",
            token=token,
            interval_scale=settings.pop("interval_scale", 0.01),
            hook_seconds=settings.pop("hook_seconds", 5.0),
            **settings,
        )
        self.over: list[Over] = []
        self.answers: list[dict[str, Any]] = []
        self.stop = threading.Event()
        self.statedir = StateDir(self.settings.state_dir, INSTANCE_ID)
        self.store = Store(self.statedir.database)
        self.outbox = Outbox(self.store)
        self.events = Events(self.outbox, INSTANCE_ID)
        self.standing = Standing(scale=self.settings.interval_scale)
        self.server = Server(urls)
        self.hooks = Hooks(self.settings.hooks_dir, environment={"PATH": "/usr/bin:/bin"})
        self.registrar = Registrar(
            settings=self.settings,
            identity=IDENTITY,
            statedir=self.statedir,
            server=self.server,
            hooks=self.hooks.present(),
        )
        self.session = Session(
            server=self.server,
            registrar=self.registrar,
            on_over=self.over.append,
            on_registered=self.answers.append,
        )
        self.workload = Workload(
            settings=self.settings,
            identity=IDENTITY,
            statedir=self.statedir,
            registrar=self.registrar,
            hooks=self.hooks,
            events=self.events,
        )

    def queued(self) -> list[dict[str, Any]]:
        """The events that wait."""
        return [entry.body for entry in self.outbox.head("event", 1000)]

    def close(self) -> None:
        self.stop.set()
        self.server.close()
        self.store.close()
        self.statedir.close()
