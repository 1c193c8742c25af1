"""Where a machine's slot could move to, at what price and risk, and which of it the policy would take."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from agents.models import Agent, Instance
from clients import connection
from clients.models import Client
from mlengine import policies, reach, situations
from mlengine.fleet import Slot
from mlengine.situation import SPOT, Place
from pricing import collector, zones
from spotopt.cloud.errors import CloudError
from spotopt.lib.errors import Refused

log = logging.getLogger(__name__)

# Three of the collector's rounds.
FRESH = timedelta(minutes=15)


@dataclass(frozen=True)
class Option:
    """A spot pool. `savings_percent`: of the on-demand price of the machine's own type, None if unknown."""

    place: Place
    az: str
    savings_percent: float | None
    recommended: bool
    why_not: str


def available(instance: Instance, *, now: datetime) -> list[Option]:
    """The pools this slot may run in as spot, the present one left out; empty unless it is a primary.

    Prices are fetched where none are fresh. Raises what forbids that (Unavailable, PricesRefused,
    NotConnected) only if not a single price is known otherwise.
    """
    agent, client = instance.agent, instance.agent.client
    if instance.role != Instance.Role.PRIMARY or agent.status == Agent.Status.TERMINATED:
        return []
    refusal = _fetch(instance, client, now)
    slot = Slot(agent, client, instance)
    scene = situations.read([slot], numbers=reach.account_numbers([client]), now=now)
    situation = scene.of(slot)
    places = [
        place
        for place in situation.candidates
        if (place.pool_id, SPOT) != (instance.pool_id, instance.mode)
    ]
    if refusal is not None and all(place.price is None for place in situation.candidates):
        raise refusal
    # Whether the slot may be moved now is another question: this is about pools.
    verdict = policies.active().choose(situation)
    names = {**scene.reach.zone_names(client.pk, instance.region)}
    names.setdefault(instance.az_id, instance.az_name or instance.az_id)
    baseline = situation.current.on_demand_price if situation.current else None
    return [
        Option(
            place=place,
            az=names.get(place.az_id, place.az_id),
            savings_percent=None
            if place.price is None or not baseline
            else round(float(100 * (1 - place.price / baseline)), 1),
            recommended=(place.pool_id, SPOT) == (verdict.pool_id, verdict.mode),
            why_not=verdict.passed_over.get(place.pool_id, ""),
        )
        for place in places
    ]


def _fetch(instance: Instance, client: Client, now: datetime) -> Refused | None:
    """Have fresh prices and the zones' names; what was in the way, if anything."""
    try:
        account = connection.account_for(client)
        types = reach.types_for(client, instance.pool)
        collector.ensure_fresh(
            account, instance.region, instance_types=types, now=now, max_age=FRESH
        )
        zones.ensure(account, instance.region, now)
    except Refused as error:
        return error
    except CloudError as error:
        log.warning("the zones of %s are not known: %s", instance.region, error)
    return None


def shown(option: Option) -> Mapping[str, object]:
    """On the wire; unknown numbers are null."""
    place = option.place
    return {
        "pool_id": place.pool_id,
        "pool_name": f"{place.instance_type} ({option.az})",
        "instance_type": place.instance_type,
        "az": option.az,
        "az_id": place.az_id,
        "current_spot_price": None if place.price is None else float(place.price),
        "on_demand_price": None if place.on_demand_price is None else float(place.on_demand_price),
        "savings_percent": option.savings_percent,
        "risk_score": round(place.risk, 4),
        "recommended": option.recommended,
        "why_not": option.why_not or None,
    }
