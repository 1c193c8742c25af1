"""Fetches commands: on a hint as an ordinary primary, by a held-open request when it must be quick."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from spotopt_agent.registration import STANDBY, Registrar
from spotopt_agent.session import Session
from spotopt_agent.standing import Standing

HELD_SECONDS = 25  # the longest that the server holds a request open
IDLE_SECONDS = 600.0  # between looks that nothing asked for
PENDING_SECONDS = 1.0  # until the next look while commands are being carried out


class Inbox:
    """One step is one fetch."""

    def __init__(
        self,
        *,
        session: Session,
        registrar: Registrar,
        standing: Standing,
        take: Callable[[dict[str, Any]], None],
    ) -> None:
        self._session = session
        self._registrar = registrar
        self._standing = standing
        self._take = take

    def step(self) -> float:
        """The seconds until the next fetch, unless ``wake_commands`` is set sooner."""
        registration = self._registrar.current
        held = self._standing.watched or (registration is not None and registration.role == STANDBY)
        began = time.monotonic()
        if held:
            answer = self._session.call(
                "GET", f"pending-commands?wait={HELD_SECONDS}", timeout=HELD_SECONDS + 10
            )
        else:
            answer = self._session.call("GET", "pending-commands")
        commands = answer.get("commands")
        for command in commands if isinstance(commands, list) else []:
            self._take(command)
        if not held:
            return IDLE_SECONDS
        if commands:
            # Until they are reported the server gives them out again, at once.
            return PENDING_SECONDS
        if time.monotonic() - began < 1:  # it holds nothing open (just now): no busy loop
            return random.uniform(0.5, 1.5)  # noqa: S311 - spreading load
        return 0.0
