"""The life of a machine: pending, running, stopped, shutting down, terminated.

Every delay is divided by the speed. A machine's `generation` changes whenever its fate does, and what was
planned for an earlier one is dropped.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from moto.autoscaling.models import autoscaling_backends
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instances import Instance, InstanceState, StateReason
from moto.elbv2.models import elbv2_backends

from . import events, spot_requests
from .clock import iso
from .machines import Machine

if TYPE_CHECKING:
    from .world import World

_CODES = {
    "pending": 0,
    "running": 16,
    "shutting-down": 32,
    "terminated": 48,
    "stopping": 64,
    "stopped": 80,
}
SHUTDOWN_SECONDS = 2.0
RELAUNCH_SECONDS = 10.0
_RUNNING_SHARE = 0.25  # of a boot: the instance runs, its user data comes at the end

USER = ("Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown")
RECLAIM = ("Server.SpotInstanceTermination", "Server.SpotInstanceTermination: Spot reclaimed")
HARDWARE = ("Server.InternalError", "Server.InternalError: Internal error on launch")

# moto's own, kept from before the mends replace them
moto_terminate = Instance.terminate
moto_stop = Instance.stop
moto_start = Instance.start


class Lifecycle:
    def __init__(self, world: World) -> None:
        self._world = world

    def begin(self, machine: Machine) -> None:
        """A machine was launched, or started again: boot it."""
        world = self._world
        machine.generation += 1
        self._state(machine, "pending")
        boot = world.options.boot_seconds / world.options.speed
        try:
            world.metadata.open(machine)
        except (OSError, TimeoutError) as error:
            print(f"no metadata service for {machine.instance_id}: {error}", file=sys.stderr)  # noqa: T201
        self._later(machine, boot * _RUNNING_SHARE, lambda: self._running(machine))
        self._later(machine, boot, lambda: self._booted(machine))

    def reboot(self, machine: Machine) -> None:
        """Its processes die; the user data runs again after a boot. Its state stays running."""
        world = self._world
        machine.generation += 1
        world.processes.kill(machine.instance_id)
        boot = world.options.boot_seconds / world.options.speed
        self._later(machine, boot, lambda: self._booted(machine))

    def stop(self, machine: Machine) -> None:
        if machine.state not in ("pending", "running"):
            return
        machine.generation += 1
        machine.end_billing(self._world.clock.wall())
        self._state(machine, "stopping")
        self._silence(machine)
        self._later(machine, self._shutdown, lambda: self._stopped(machine))

    def end(
        self,
        machine: Machine,
        *,
        reason: tuple[str, str] = USER,
        status: str = spot_requests.BY_USER,
    ) -> None:
        """Shut down and terminate, whoever wants it. What runs there is killed before this
        returns. A machine that is going or gone is left alone."""
        world = self._world
        if machine.state in ("shutting-down", "terminated"):
            return
        machine.generation += 1
        machine.end_billing(world.clock.wall())
        self._state(machine, "shutting-down")
        machine.record.state_reason = StateReason(reason[1], reason[0])
        machine.record._reason = f"{reason[0]} ({iso(world.clock.wall())})"
        self._silence(machine)
        request = world.spot_requests.get(machine.spot_request_id)
        if request and request.ended(status):
            world.scheduler.after(RELAUNCH_SECONDS / world.options.speed, request.try_again)
        ids = [machine.instance_id]
        with contextlib.suppress(EC2ClientError):  # a group's replacement may be refused
            autoscaling_backends[machine.account][machine.region].notify_terminate_instances(ids)
        elbv2_backends[machine.account][machine.region].notify_terminate_instances(ids)
        self._later(machine, self._shutdown, lambda: self._terminated(machine, reason))

    @property
    def _shutdown(self) -> float:
        return SHUTDOWN_SECONDS / self._world.options.speed

    def _running(self, machine: Machine) -> None:
        machine.begin_billing(self._world.clock.wall())
        self._state(machine, "running")

    def _booted(self, machine: Machine) -> None:
        self._world.processes.start(machine)

    def _stopped(self, machine: Machine) -> None:
        moto_stop(machine.record)
        self._state(machine, "stopped")

    def _terminated(self, machine: Machine, reason: tuple[str, str]) -> None:
        wall = self._world.clock.wall()
        moto_terminate(machine.record)
        machine.record.state_reason = StateReason(reason[1], reason[0])
        machine.record._reason = f"{reason[0]} ({iso(wall)})"
        machine.terminated_at = wall
        self._state(machine, "terminated")
        self._world.addresses.release(machine.private_ip)

    def _silence(self, machine: Machine) -> None:
        self._world.processes.kill(machine.instance_id)
        with contextlib.suppress(TimeoutError):
            self._world.metadata.shut(machine.instance_id)

    def _state(self, machine: Machine, name: str) -> None:
        # A new object each time: moto gives the old one away as the "previous state".
        machine.record._state = InstanceState(name, _CODES[name])
        event = events.state_changed(machine, name)
        events.publish(machine, event, self._world.lock)

    def _later(self, machine: Machine, seconds: float, step: Callable[[], None]) -> None:
        generation = machine.generation

        def due() -> None:
            with self._world.lock:
                if machine.generation == generation:
                    step()

        self._world.scheduler.after(seconds, due)
