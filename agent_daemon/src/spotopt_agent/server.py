"""The server, at one of several addresses, and its answers sorted into few classes."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any, Optional

from spotopt_agent import __version__
from spotopt_agent.log import fields
from spotopt_agent.transport import Endpoint, Response, TransportError

TIMEOUT = 10.0  # seconds for one answer, where the caller names no other

log = logging.getLogger(__name__)


class ServerError(Exception):
    """A call did not succeed."""


class Unreachable(ServerError):
    """No address answered, or the answer was: later. ``retry_after`` is in seconds, if said."""

    def __init__(self, message: str, *, retry_after: Optional[float] = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Refused(ServerError):
    """The server understood and said no (4xx)."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.code = code


class Unauthorised(Refused):
    """401: the token is not, or no longer, valid."""


class Over(Refused):
    """This machine's part is over: nothing more is sent."""


class Superseded(Over):
    """409 ``superseded``: another machine has taken this one's place."""


class Released(Over):
    """409 ``released``: the machine was taken out of management and runs on, fenced from nothing."""


class Ended(Over):
    """The agent itself is ending: what was under way is for the next process."""

    def __init__(self) -> None:
        super().__init__(0, "ended", "the agent is ending")


class Server:
    """JSON calls, from any thread. The address that answered last is asked first."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._endpoints = [Endpoint(url) for url in urls]
        self._preferred = 0

    def call(
        self,
        method: str,
        path: str,
        *,
        token: Optional[str],
        body: Optional[dict[str, Any]] = None,
        timeout: float = TIMEOUT,
    ) -> dict[str, Any]:
        """One call, tried at each address in turn until one gives an answer.

        Whatever is sent may arrive twice; the server recognises it by the ids inside.
        Raises Unreachable, Unauthorised, Superseded, Released or Refused.
        """
        headers = {"Accept": "application/json", "User-Agent": f"spotopt-agent/{__version__}"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        first = self._preferred
        failure = Unreachable("no address")
        for step in range(len(self._endpoints)):
            index = (first + step) % len(self._endpoints)
            endpoint = self._endpoints[index]
            try:
                answer = endpoint.request(
                    method, path, headers=headers, body=content, timeout=timeout
                )
                value = _understood(answer)
            except TransportError as error:
                failure = Unreachable(f"{endpoint.url}: {error}")
            except Unreachable as error:
                failure = error
            else:
                if index != self._preferred:
                    log.info("server answers at another address", extra=fields(url=endpoint.url))
                    self._preferred = index
                return value
        raise failure

    def close(self) -> None:
        """Wakes whoever waits for an answer; nothing is sent any more."""
        for endpoint in self._endpoints:
            endpoint.close()


def _understood(answer: Response) -> dict[str, Any]:
    try:
        value = json.loads(answer.body) if answer.body else {}
    except ValueError:
        value = None
    if 200 <= answer.status < 300:
        if not isinstance(value, dict):
            raise Unreachable(f"answered {answer.status} with something other than a JSON object")
        return value
    said = value if isinstance(value, dict) else {}
    message = str(said.get("message") or "no message")
    code = str(said.get("code") or "")
    if answer.status == 401:
        raise Unauthorised(401, code, message)
    if answer.status == 409 and code == "superseded":
        raise Superseded(409, code, message)
    if answer.status == 409 and code == "released":
        raise Released(409, code, message)
    if answer.status in (408, 429) or answer.status >= 500:
        raise Unreachable(
            f"answered {answer.status}: {message}",
            retry_after=_seconds(answer.headers.get("retry-after")),
        )
    raise Refused(answer.status, code, message)


def _seconds(header: Optional[str]) -> Optional[float]:
    # The other form, an HTTP date, is not worth the parser: the ordinary backoff serves.
    return min(float(header), 300.0) if header is not None and header.isdecimal() else None
