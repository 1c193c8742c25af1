"""Price reports, where this machine can know a price; they go through the queue on disk."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from spotopt_agent import clock
from spotopt_agent.identity import Identity
from spotopt_agent.log import fields
from spotopt_agent.metadata import Metadata
from spotopt_agent.outbox import PRICE, Outbox
from spotopt_agent.registration import STANDBY, Registrar
from spotopt_agent.standing import Standing

if TYPE_CHECKING:
    from spotopt_agent.spot_prices import SpotPrices

RECHECK_SECONDS = 3600.0  # until the role is tried again after a no

log = logging.getLogger(__name__)


class PriceReports:
    """One step is one look at the price."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        identity: Identity,
        endpoint: str | None,
        standing: Standing,
        registrar: Registrar,
        outbox: Outbox,
    ) -> None:
        self._metadata = metadata
        self._identity = identity
        self._endpoint = endpoint
        self._standing = standing
        self._registrar = registrar
        self._outbox = outbox
        self._source: SpotPrices | None = None
        self._said = ""

    def step(self) -> float:
        """The seconds until the next look."""
        # Imported here: signing and XML would be a third of the agent's start otherwise.
        from spotopt_agent.spot_prices import NotAllowed, PriceUnavailable, SpotPrices

        if self._source is None:
            self._source = SpotPrices(
                metadata=self._metadata, identity=self._identity, endpoint=self._endpoint
            )
        now = clock.now()
        interval = self._standing.interval(self._standing.config.price_report_seconds)
        try:
            price = self._source.current(now=now)
        except NotAllowed as error:
            if str(error) != self._said:
                self._said = str(error)
                log.info("no price reports from this machine: %s", error)
            return max(interval, RECHECK_SECONDS * min(1.0, self._standing.scale))
        except PriceUnavailable as error:
            log.warning("no price this time: %s", error)
            return interval
        self._said = ""
        pool_id = self._pool_id()
        registration = self._registrar.current
        moment = clock.text(now, timespec="seconds")
        self._outbox.add(
            PRICE,
            f"price:{pool_id}:{moment}",
            {
                "pool_id": pool_id,
                "spot_price": float(price),
                "timestamp": moment,
                "is_replica": registration is not None and registration.role == STANDBY,
            },
            now=now,
        )
        log.debug("price", extra=fields(pool_id=pool_id, spot_price=str(price)))
        return interval

    def _pool_id(self) -> str:
        registration = self._registrar.current
        if self._identity.az_id is None and registration is not None and registration.pool_id:
            return registration.pool_id
        return f"{self._identity.instance_type}.{self._identity.az_id or self._identity.az}"
