"""Terminating, stopping, starting and rebooting take time, kill what runs, and tell the state that
the instance is really in, where moto is done at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instances import Instance, InstanceBackend, InstanceState
from moto.ec2.responses.instances import InstanceResponse

from .. import lifecycle

if TYPE_CHECKING:
    from ..machines import Machine
    from ..world import World

_GOING = ("shutting-down", "terminated")


def install(world: World) -> None:
    moto_terminate_all = InstanceBackend.terminate_instances
    moto_stop_all = InstanceBackend.stop_instances
    moto_start_all = InstanceBackend.start_instances

    def machine_of(instance: Any) -> Machine:
        machine = world.machines.get(instance.id)
        if machine is None:
            raise EC2ClientError("InvalidInstanceID.NotFound", f"{instance.id} does not exist")
        return machine

    def terminate(self: Any) -> InstanceState:
        before: InstanceState = self._state
        world.lifecycle.end(machine_of(self))
        return before

    def stop(self: Any) -> InstanceState:
        before: InstanceState = self._state
        machine = machine_of(self)
        request = world.spot_requests.get(machine.spot_request_id)
        if request and request.type != "persistent":
            raise EC2ClientError(
                "UnsupportedOperation",
                f"You can't stop the Spot Instance '{self.id}' because it is associated with a "
                "one-time Spot Instance request.",
            )
        if before.name in _GOING:
            raise _wrong_state(self)
        world.lifecycle.stop(machine)
        return before

    def start(self: Any) -> InstanceState:
        before: InstanceState = self._state
        if before.name in ("pending", "running"):
            return before
        if before.name != "stopped":
            raise _wrong_state(self)
        lifecycle.moto_start(self)
        world.lifecycle.begin(machine_of(self))
        return before

    def reboot(self: Any) -> None:
        if self._state.name != "running":
            raise _wrong_state(self)
        world.lifecycle.reboot(machine_of(self))

    Instance.terminate = terminate  # type: ignore[method-assign]
    Instance.stop = stop  # type: ignore[method-assign]
    Instance.start = start  # type: ignore[method-assign]
    Instance.reboot = reboot  # type: ignore[method-assign]

    def answer(key: str, change: Any) -> Any:
        def respond(self: Any) -> ActionResult:
            self.error_on_dryrun()
            changed = change(self.ec2_backend, self._get_param("InstanceIds", []))
            return ActionResult(
                {
                    key: [
                        {
                            "InstanceId": instance.id,
                            "CurrentState": instance._state,
                            "PreviousState": before,
                        }
                        for instance, before in changed
                    ]
                }
            )

        return respond

    InstanceResponse.terminate_instances = answer("TerminatingInstances", moto_terminate_all)  # type: ignore[method-assign]
    InstanceResponse.stop_instances = answer("StoppingInstances", moto_stop_all)  # type: ignore[method-assign]
    InstanceResponse.start_instances = answer("StartingInstances", moto_start_all)  # type: ignore[method-assign]


def _wrong_state(instance: Any) -> EC2ClientError:
    return EC2ClientError(
        "IncorrectInstanceState",
        f"The instance '{instance.id}' is not in a state from which it can do that "
        f"({instance._state.name}).",
    )
