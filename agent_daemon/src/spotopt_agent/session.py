"""Calls in this agent's name: its token, renewed when refused, and the end of it when superseded."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Optional
from urllib.parse import quote

from spotopt_agent.backoff import Backoff
from spotopt_agent.log import fields
from spotopt_agent.registration import Registrar
from spotopt_agent.server import TIMEOUT, Ended, Over, Server, Unauthorised, Unreachable

log = logging.getLogger(__name__)


class Session:
    """The server as every other part of the agent sees it."""

    def __init__(
        self,
        *,
        server: Server,
        registrar: Registrar,
        on_over: Callable[[Over], None],
        on_registered: Callable[[dict[str, Any]], None],
    ) -> None:
        self._server = server
        self._registrar = registrar
        self._on_over = on_over
        self._on_registered = on_registered
        self._over: Optional[Over] = None

    def register(self) -> None:
        """Registers this machine, unless it is registered. Raises ServerError."""
        self._guarded(self._renew, None)

    def call(
        self,
        method: str,
        path: str,
        body: Optional[dict[str, Any]] = None,
        *,
        timeout: float = TIMEOUT,
    ) -> dict[str, Any]:
        """A call below ``/api/agents/<agent_id>/``. Raises ServerError.

        A refused token is renewed once where a credential is at hand. On Superseded the machine is
        fenced before the exception is passed on, and nothing is sent after that; nor after Released.
        """
        answer: dict[str, Any] = self._guarded(self._call, method, path, body, timeout)
        return answer

    def urgent(
        self,
        method: str,
        path: str,
        body: dict[str, Any],
        *,
        timeout: float,
        remaining: Callable[[], float],
        stop: threading.Event,
        cap: float = 1.0,
    ) -> dict[str, Any]:
        """Like ``call``, repeated with jitter while nobody answers and ``remaining()`` seconds are left.

        Raises the last failure when they are gone or ``stop`` is set, and Refused at once.
        """
        backoff = Backoff(first=0.1, cap=cap)
        while True:
            try:
                return self.call(method, path, body, timeout=timeout)
            except (Unreachable, Unauthorised) as error:
                asked = getattr(error, "retry_after", None)
                wait = backoff.next(at_least=None if asked is None else min(asked, cap))
                log.warning("no answer yet: %s", error, extra=fields(path=path))
                if wait >= remaining() or stop.wait(wait):
                    raise

    def end(self) -> None:
        """Nothing is sent any more."""
        self._over = self._over or Ended()

    def _call(
        self, method: str, path: str, body: Optional[dict[str, Any]], timeout: float
    ) -> dict[str, Any]:
        registration = self._registrar.current
        if registration is None:
            raise Unreachable("not registered yet")
        for last in (False, True):
            full = f"/api/agents/{quote(registration.agent_id, safe='')}/{path}"
            try:
                return self._server.call(
                    method, full, token=registration.token, body=body, timeout=timeout
                )
            except Unauthorised:
                if last:
                    raise
                log.warning("the agent's token is refused")
                self._renew(registration)
                registration = self._registrar.current or registration
        raise AssertionError("unreachable")

    def _renew(self, registration: Any) -> None:
        answer = self._registrar.register(instead_of=registration)
        if answer:
            self._on_registered(answer)

    def _guarded(self, function: Callable[..., Any], *arguments: Any) -> Any:
        if self._over is not None:
            raise self._over
        try:
            return function(*arguments)
        except Over as error:
            if self._over is None:
                self._over = error
                self._on_over(error)
            raise
