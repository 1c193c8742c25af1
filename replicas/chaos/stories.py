"""What happens to the slot, for each kind of move: one deed a round, done again until it is answered."""

from datetime import timedelta
from typing import ClassVar

from agents import commands
from agents.models import Agent, Command
from pricing import pools
from replicas import lifecycle, manual, requests, standbys
from replicas.chaos.cases import Case
from replicas.chaos.slot import REGION, TYPE, Slot
from replicas.models import Replica, Saga

TARGET = f"{TYPE}.use1-az1"


class Story:
    """`begin` once and `act` each round, until `over`. Whoever was not answered asks again."""

    needs: ClassVar[int] = 1

    def __init__(self, slot: Slot, case: Case) -> None:
        self.slot = slot
        self.case = case
        self.dice = case.dice
        self.over = False
        self.heard = False

    def prepare(self) -> None:
        """What calls for the standby, where the case begins with one."""

    def act(self) -> None:
        """The next deed."""


class Emergency(Story):
    """The two-minute notice; a standby, if any, was asked for by a person."""

    def prepare(self) -> None:
        """A standby."""
        lifecycle.create(
            agent=self.slot.agent,
            trigger=Saga.Trigger.MANUAL,
            reason="asked for",
            clock=self.slot.clock,
        )

    def act(self) -> None:
        """Give notice until it is heard; quiesce, or be mute and let the guard promote."""
        if not self.heard:
            self.slot.notice()
            self.heard = True
            return
        quiescing = any(saga.status == Saga.Status.QUIESCING for saga in self.slot.sagas)
        if quiescing and self.dice.random() < 0.5:
            self.slot.notice(imminent=True)
        self.over = self.slot.moved() or any(
            saga.status in Saga.ENDED_WITHOUT for saga in self.slot.sagas
        )


class Rebalance(Emergency):
    """A recommendation, and then the notice; or none, and the risk passes."""

    def __init__(self, slot: Slot, case: Case) -> None:
        super().__init__(slot, case)
        self.recommended = False
        self.lapses = case.standby == "none" and self.dice.random() < 0.5

    def prepare(self) -> None:
        """The recommendation itself."""
        self.slot.recommendation()
        self.recommended = True

    def act(self) -> None:
        """Recommend until heard; when the standby is ready, give notice, or let the risk pass."""
        if not self.recommended:
            self.prepare()
            return
        ready = self.slot.ready_replica() is not None or self.case.standby != "none"
        ended = any(saga.status in Saga.ENDED_WITHOUT for saga in self.slot.sagas)
        if not self.lapses and (ready or ended or self.heard):
            super().act()
        elif self.lapses and (ready or ended):
            self._lapse()

    def _lapse(self) -> None:
        if not self.heard:
            self.slot.clock.skip(70 * 60)
            self.heard = True
            self.slot.play_machines()
        standbys.reevaluate(clock=self.slot.clock)
        self.over = not any(saga.status in Saga.ACTIVE for saga in self.slot.sagas)


class Planned(Story):
    """A switch is ordered; the agent steers it as the real one does."""

    def __init__(self, slot: Slot, case: Case) -> None:
        super().__init__(slot, case)
        pools.ensure(instance_type=TYPE, az_id="use1-az1", region=REGION)
        self.command = commands.issue(
            agent=slot.agent,
            instance=slot.first,
            command_type=Command.Type.SWITCH,
            priority=Command.Priority.MANUAL,
            parameters={"target_pool_id": TARGET, "target_mode": "spot", "reason": "chaos"},
            now=slot.clock(),
            lifetime=timedelta(minutes=30),
        )
        self.replica: Replica | None = None
        self.asked = 0

    def prepare(self) -> None:
        """Ask for the replica in the pool that was ordered."""
        self.replica = requests.ask(
            caller=self.slot.callers[self.slot.first_id],
            agent=self.slot.agent,
            wish={
                "replica_type": "switch",
                "pool_id": TARGET,
                "mode": "spot",
                "command_id": str(self.command.pk),
                "keep_alive": False,
            },
            clock=self.slot.clock,
        )

    def act(self) -> None:
        """Ask, wait, promote; give up when the replica is gone, or five times nothing was had."""
        if self.slot.moved() or self.asked > 5:
            self.over = True
            return
        if self.replica is None:
            self.asked += 1
            self.prepare()
            return
        replica = lifecycle.find(agent=self.slot.agent, replica_id=self.replica.pk)
        if replica.status == Replica.Status.READY:
            lifecycle.promote(replica=replica, quiesced=True, clock=self.slot.clock)
        elif replica.status not in Replica.LIVE:
            self._give_up(replica)

    def _give_up(self, replica: Replica) -> None:
        # Another may stand in its place; the agent lets go of it, as of a switch that has failed.
        self.over = True
        live = Replica.objects.filter(saga=replica.saga, status__in=Replica.LIVE).first()
        if live is not None:
            lifecycle.delete(replica=live, reason="the switch failed", clock=self.slot.clock)


class Manual(Story):
    """Manual mode keeps a standby; a person promotes it, and the mode wants the next one."""

    needs = 2

    def prepare(self) -> None:
        """Switch the mode on."""
        Agent.objects.filter(pk=self.slot.agent_id).update(
            auto_switch_enabled=False, manual_replica_enabled=True
        )
        manual.maintain(clock=self.slot.clock)

    def act(self) -> None:
        """Promote as soon as one is ready, until the slot has moved and has its next standby."""
        if not self.heard:
            self.heard = True
            self.prepare()
            return
        replica = self.slot.ready_replica()
        if not self.slot.moved():
            if replica is not None:
                lifecycle.promote(replica=replica, quiesced=False, clock=self.slot.clock)
            return
        self.over = replica is not None


STORIES: dict[str, type[Story]] = {
    "planned": Planned,
    "rebalance": Rebalance,
    "emergency": Emergency,
    "manual": Manual,
}
