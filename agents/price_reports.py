"""Prices that machines report: which pool each is about, and how far it is trusted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from agents import instances, placement
from agents.models import Agent, Instance
from pricing import ingest, pools
from pricing.models import RawPrice
from spotopt.lib.errors import BadInput


@dataclass(frozen=True)
class Where:
    """A pool: by its id, by type and zone, or (all empty) the machine's own."""

    pool_id: str = ""
    instance_type: str = ""
    az_name: str = ""
    az_id: str = ""


@dataclass(frozen=True)
class PriceReport:
    """USD per hour in a pool at a time."""

    price: Decimal
    at: datetime
    where: Where = Where()
    is_replica: bool = False


def accept(
    *, agent: Agent, instance: Instance, reports: Sequence[PriceReport], now: datetime
) -> list[str]:
    """Store reports of `instance`; returns their quality flags in order. BadInput refuses all of them."""
    places: dict[Where, str] = {}
    for number, report in enumerate(reports):
        if report.where in places:
            continue
        try:
            places[report.where] = _pool_id(agent, instance, report.where, now)
        except BadInput as error:
            raise _within(error, f"reports.{number}." if len(reports) > 1 else "") from error
    by_source: dict[RawPrice.Source, list[int]] = {}
    for number, report in enumerate(reports):
        source = source_of(agent, instance, is_replica=report.is_replica)
        by_source.setdefault(source, []).append(number)
    flags = [""] * len(reports)
    with transaction.atomic():
        for source, numbers in by_source.items():
            stored = ingest.report_prices(
                client_id=agent.client_id,
                instance_id=instance.instance_id,
                source=source,
                reports=[
                    ingest.Report(
                        pool_id=places[reports[n].where], price=reports[n].price, at=reports[n].at
                    )
                    for n in numbers
                ],
                now=now,
            )
            for number, flag in zip(numbers, stored, strict=True):
                flags[number] = flag
    return flags


def source_of(agent: Agent, instance: Instance, *, is_replica: bool) -> RawPrice.Source:
    """How far it is trusted. A machine may call itself a replica (it may have been one), not a primary."""
    if instance.role == Instance.Role.PRIMARY and not is_replica:
        return RawPrice.Source.PRIMARY
    if agent.manual_replica_enabled:
        return RawPrice.Source.MANUAL_REPLICA
    return RawPrice.Source.AUTOMATIC_REPLICA


def reporter(agent: Agent, primary: Instance, *, is_replica: bool) -> Instance:
    """Where a client's token names no machine: a replica's report is the newest standby's."""
    return (instances.standbys_of(agent).first() if is_replica else None) or primary


def _pool_id(agent: Agent, instance: Instance, where: Where, now: datetime) -> str:
    """The pool's id. Machines report pools of their own region, and no others."""
    if where.pool_id:
        if pools.region_of(pools.parse(where.pool_id)[1]) != instance.region:
            raise BadInput.field("pool_id", f"{where.pool_id} is not a pool of {instance.region}.")
        return where.pool_id
    if where == Where():
        return instance.pool_id
    if not where.az_name and not where.az_id:
        raise BadInput.field("az", "Name the zone along with the type, or send pool_id.")
    return placement.locate(
        client=agent.client,
        instance_type=where.instance_type or instance.instance_type,
        region=instance.region,
        az_name=where.az_name,
        az_id=where.az_id,
        now=now,
    ).pool.pool_id


def _within(error: BadInput, prefix: str) -> BadInput:
    errors = {f"{prefix}{name}": texts for name, texts in error.errors.items()}
    return BadInput(f"{prefix}{error.message}", errors=errors)
