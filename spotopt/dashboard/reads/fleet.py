"""A client's agents with their machines, standbys and savings."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from agents.models import Agent, Instance, Mode
from clients.models import Client
from replicas.models import Replica
from spotopt.dashboard.reads import costs, places
from spotopt.dashboard.reads.costs import Saving

MANAGED = (Instance.Role.PRIMARY, Instance.Role.STANDBY, Instance.Role.SUPERSEDED)


@dataclass(frozen=True)
class Standby:
    """A replica that could take over, or is on its way to that."""

    replica: Replica
    place: str

    @property
    def since(self) -> datetime:
        """When it became ready, or was asked for."""
        return self.replica.ready_at or self.replica.created_at


@dataclass(frozen=True)
class Leftover:
    """A machine that serves no longer and still runs; `price` is None where unknown."""

    machine: Instance
    price: Decimal | None


@dataclass(frozen=True)
class Slot:
    """One line of the fleet."""

    agent: Agent
    primary: Instance | None
    standby: Standby | None
    leftovers: tuple[Leftover, ...]
    price: Decimal | None
    on_demand: Decimal | None
    saving: Saving | None

    @property
    def place(self) -> str:
        """The primary's pool."""
        return places.of_machine(self.primary) if self.primary else ""

    @property
    def online(self) -> bool:
        """Heard lately."""
        return self.agent.status == Agent.Status.ONLINE

    @property
    def covered(self) -> bool:
        """A standby could take over at once."""
        return self.standby is not None and self.standby.replica.status == Replica.Status.READY

    @property
    def exposed(self) -> bool:
        """Its machine can be taken, and a replacement would have to be launched first."""
        return self.primary is not None and self.primary.mode == Mode.SPOT and not self.covered


def read(client: Client, *, now: datetime) -> list[Slot]:
    """Live slots, the silent ones first; at most five queries and one per region in use."""
    agents = list(Agent.objects.live().filter(client=client))
    machines = list(
        Instance.objects.billing()
        .filter(client=client, role__in=MANAGED)
        .exclude(agent__status=Agent.Status.TERMINATED)
    )
    replicas = Replica.objects.filter(client=client, status__in=Replica.LIVE).select_related("pool")
    quotes = costs.read(machines, client_id=client.pk, now=now)
    names = places.zone_names(machines)
    in_slot: dict[UUID, list[Instance]] = defaultdict(list)
    for machine in machines:
        in_slot[machine.agent_id].append(machine)
    standbys = {
        replica.agent_id: Standby(replica=replica, place=places.of_pool(replica.pool, names))
        for replica in replicas.order_by("created_at")
    }
    slots = [_slot(agent, in_slot[agent.pk], standbys.get(agent.pk), quotes) for agent in agents]
    return sorted(slots, key=lambda slot: (slot.online, str(slot.agent)))


def _slot(
    agent: Agent, machines: list[Instance], standby: Standby | None, quotes: costs.Quotes
) -> Slot:
    primary = next((row for row in machines if row.role == Instance.Role.PRIMARY), None)
    return Slot(
        agent=agent,
        primary=primary,
        standby=standby,
        leftovers=tuple(
            Leftover(row, quotes.now(row))
            for row in machines
            if row.role == Instance.Role.SUPERSEDED
        ),
        price=quotes.now(primary) if primary else None,
        on_demand=quotes.on_demand(primary) if primary else None,
        saving=costs.saving_of(primary, machines, quotes),
    )
