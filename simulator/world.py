"""The world: everything that is simulated, put together, begun, reset and ended."""

from __future__ import annotations

import time
from threading import RLock
from typing import Any

from moto.core.base_backend import BackendDict, backend_lock
from moto.core.model_instances import reset_model_data
from moto.ec2.models.instances import InstanceState
from moto.sts.models import sts_backends

from . import lifecycle, spot_requests
from .addresses import AddressBlock
from .clock import Clock, iso
from .faults import Fault, Faults
from .idempotency import LaunchTokens
from .interruptions import Interruptions
from .launch_log import Launch
from .lifecycle import Lifecycle
from .machines import Machine, Registry
from .metadata import MetadataService
from .options import Options
from .prices import SpotPrices
from .processes import Processes
from .scheduler import Scheduler
from .spot_requests import SpotRequests
from .target_checks import TargetChecks


class World:
    """`lock` guards moto's state and the machines'; whoever changes either holds it."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.lock = RLock()
        self.clock = Clock()
        self.started_at = time.time()
        self.scheduler = Scheduler()
        self.machines = Registry()
        self.faults = Faults()
        self.spot_requests = SpotRequests()
        self.launch_tokens = LaunchTokens()
        self.launches: list[Launch] = []
        self.prices = self._make_prices()
        self.addresses = AddressBlock(options.port)
        self.processes = Processes(options)
        self.metadata = MetadataService(self.credentials)
        self.lifecycle = Lifecycle(self)
        self.interruptions = Interruptions(self)
        self.target_checks = TargetChecks(self)

    def begin(self) -> None:
        self.scheduler.start()
        self.metadata.start()
        self.target_checks.start()

    def reset(self) -> None:
        """Kill everything and forget everything; clock and prices begin anew."""
        with self.lock:
            self.scheduler.clear()
            self.processes.kill_all()
            self.metadata.shut_all()
            for machine in self.machines.all():
                # A timer that is just going off must find nothing left to do.
                machine.generation += 1
                machine.record._state = InstanceState("terminated", 48)
                if machine.terminated_at is None:
                    self.addresses.release(machine.private_ip)
            self.machines.clear()
            self.faults.clear()
            self.spot_requests.clear()
            self.launch_tokens.clear()
            self.launches.clear()
            self.interruptions.clear()
            self.target_checks.clear()
            _forget_moto()
            self.clock.reset()
            self.prices = self._make_prices()

    def end(self) -> None:
        """Leaves no process and, unless one was given, no folder behind."""
        self.target_checks.close()
        self.scheduler.close()
        self.processes.close()
        self.metadata.close()
        self.addresses.close()

    def darken(self, fault: Fault) -> list[str]:
        """A zone goes down: its machines die without notice. Returns their ids."""
        with self.lock:
            struck = [
                machine
                for machine in self.machines.all()
                if machine.az_id == fault.az
                and fault.account in (None, machine.account)
                and machine.state not in ("shutting-down", "terminated", "stopped")
            ]
            for machine in struck:
                self.lifecycle.end(
                    machine, reason=lifecycle.HARDWARE, status=spot_requests.BY_SERVICE
                )
        return [machine.instance_id for machine in struck]

    def credentials(self, machine: Machine) -> tuple[str, dict[str, str]]:
        """The role of a machine and temporary keys of its account."""
        profile = machine.record.iam_instance_profile
        role = "simulated-machine"
        if isinstance(profile, dict) and profile.get("Arn"):
            role = str(profile["Arn"]).rpartition("/")[2]
        with self.lock:
            keys: Any = sts_backends[machine.account]["aws"].assume_role(
                region_name=machine.region,
                role_session_name=machine.instance_id,
                role_arn=f"arn:aws:iam::{machine.account}:role/{role}",
                policy="",
                duration=21_600,
                external_id="",
            )
        return role, {
            "Code": "Success",
            "LastUpdated": iso(time.time()),
            "Type": "AWS-HMAC",
            "AccessKeyId": keys.access_key_id,
            "SecretAccessKey": keys.secret_access_key,
            "Token": keys.session_token,
            "Expiration": iso(time.time() + 21_600),
        }

    def _make_prices(self) -> SpotPrices:
        return SpotPrices(clock=self.clock, seed=self.options.seed, file=self.options.prices)


def _forget_moto() -> None:
    """What moto's own reset does, without making every backend anew only to drop it."""
    with backend_lock:
        for backends in BackendDict._instances:  # type: ignore[misc]
            backends.clear()
        BackendDict._instances.clear()  # type: ignore[misc]
    reset_model_data()
