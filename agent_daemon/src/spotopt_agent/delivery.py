"""Brings the queue to the server: in order, in batches, until it has been taken."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from spotopt_agent.log import fields
from spotopt_agent.outbox import EVENT, PRICE, Entry, Outbox
from spotopt_agent.server import Over, Refused, ServerError, Unauthorised
from spotopt_agent.session import Session

IDLE_SECONDS = 3600.0  # between looks at an empty queue, which `added` cuts short

log = logging.getLogger(__name__)


class Route(NamedTuple):
    """Where one kind of entry goes, under which key, and how many at once."""

    path: str
    key: str
    batch: int


ROUTES = {EVENT: Route("events", "events", 500), PRICE: Route("pricing-report", "reports", 1000)}


class Delivery:
    """One step delivers all there is."""

    def __init__(self, *, session: Session, outbox: Outbox) -> None:
        self._session = session
        self._outbox = outbox

    def step(self) -> float:
        """Raises ServerError where the server does not take it now; nothing is lost by that."""
        failures = []
        for kind, route in ROUTES.items():
            try:
                self._deliver_all(kind, route)
            except Over:
                raise
            except ServerError as error:
                failures.append(error)  # a kind that is refused does not hold up the other
        if failures:
            raise failures[0]
        return IDLE_SECONDS

    def _deliver_all(self, kind: str, route: Route) -> None:
        while True:
            entries = self._outbox.head(kind, route.batch)
            if not entries:
                return
            self._deliver(route, entries)

    def _deliver(self, route: Route, entries: list[Entry]) -> None:
        body: dict[str, Any] = {route.key: [entry.body for entry in entries]}
        try:
            self._session.call("POST", route.path, body)
        except (Over, Unauthorised):
            raise
        except Refused as error:
            if error.status not in (400, 413, 422):
                raise
            # Something in it is refused for good. Halving finds it, and lets the rest through.
            if len(entries) == 1:
                log.error(  # noqa: TRY400
                    "dropped, the server refuses it: %s", error, extra=fields(entry=entries[0].body)
                )
            else:
                middle = len(entries) // 2
                self._deliver(route, entries[:middle])
                self._deliver(route, entries[middle:])
                return
        self._outbox.remove(entries)
