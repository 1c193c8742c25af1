"""What `GET /_sim/` shows of the world."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from moto.elbv2.models import elbv2_backends

from .billing import bill
from .clock import precise
from .faults import Fault
from .launch_log import Launch
from .machines import Machine

if TYPE_CHECKING:
    from .world import World


def world_state(world: World) -> dict[str, Any]:
    running = world.processes.counts()
    machines = [machine_state(world, machine, running) for machine in world.machines.all()]
    return {
        "time": precise(world.clock.wall()),
        "simulated_time": precise(world.clock.now()),
        "advanced_seconds": world.clock.advanced,
        "started_at": precise(world.started_at),
        "speed": world.options.speed,
        "agents": world.options.agents,
        "address_block": f"127.{world.addresses.block}.0.0/16",
        "workdir": str(world.processes.workdir),
        "totals": _totals(world, machines),
        "instances": machines,
        "faults": [fault_state(fault) for fault in world.faults.all()],
        "interruptions": [one.told() for one in world.interruptions.all()],
        "launches": [launch_state(one) for one in list(world.launches)],
        "targets": _targets(world),
    }


def machine_state(world: World, machine: Machine, running: dict[str, int]) -> dict[str, Any]:
    """`running` tells how many processes each machine runs."""
    owed = bill(machine, clock=world.clock, prices=world.prices)
    request = world.spot_requests.get(machine.spot_request_id)
    return {
        "id": machine.instance_id,
        "account": machine.account,
        "region": machine.region,
        "az": machine.az,
        "az_id": machine.az_id,
        "type": machine.instance_type,
        "pool": machine.pool,
        "mode": machine.mode,
        "state": machine.state,
        "private_ip": machine.private_ip,
        "image_id": machine.record.image_id,
        "launched_at": precise(machine.launched_at),
        "terminated_at": _time(machine.terminated_at),
        "billing_seconds": round(owed.seconds, 3),
        "cost_usd": round(owed.usd, 8),
        "usd_per_hour": owed.usd_per_hour,
        "bills": owed.usd_per_hour > 0,
        "client_token": machine.client_token,
        "tags": machine.tags,
        "signals": {
            "notice": _time(machine.notice_at),
            "rebalance": _time(machine.rebalance_at),
        },
        "spot_request": {"id": request.id, "state": request.state, "status_code": request.code}
        if request
        else None,
        "processes": running.get(machine.instance_id, 0),
        "folder": str(world.processes.folder(machine.instance_id)),
    }


def fault_state(fault: Fault) -> dict[str, Any]:
    told = asdict(fault)
    told["until"] = _time(fault.until)
    return told


def launch_state(launch: Launch) -> dict[str, Any]:
    return {**asdict(launch), "at": precise(launch.at)}


def _totals(world: World, machines: list[dict[str, Any]]) -> dict[str, Any]:
    by_state: dict[str, int] = {}
    for machine in machines:
        by_state[machine["state"]] = by_state.get(machine["state"], 0) + 1
    launches = list(world.launches)
    return {
        "instances": len(machines),
        "by_state": by_state,
        "billing_instances": [machine["id"] for machine in machines if machine["bills"]],
        "billing_seconds": round(sum(machine["billing_seconds"] for machine in machines), 3),
        "cost_usd": round(sum(machine["cost_usd"] for machine in machines), 8),
        "usd_per_hour": round(sum(machine["usd_per_hour"] for machine in machines), 6),
        "launch_calls": len(launches),
        "launched": sum(len(launch.instance_ids) for launch in launches),
        "refused": sum(launch.refused is not None for launch in launches),
        "replayed": sum(launch.replays for launch in launches),
    }


def _targets(world: World) -> list[dict[str, Any]]:
    """Every registered target with the address at which it is reached."""
    told = []
    for account, regions in list(elbv2_backends.items()):
        for region, backend in list(regions.items()):
            for group in list(backend.target_groups.values()):
                told += [
                    {
                        "account": account,
                        "region": region,
                        "target_group": group.arn,
                        "name": group.name,
                        "id": target["Id"],
                        "address": world.target_checks.address(target["Id"]),
                        "port": int(target["Port"]) if target.get("Port") else None,
                        "state": world.target_checks.state(group, target["Id"]),
                    }
                    for target in list(group.targets.values())
                ]
    return told


def _time(moment: float | None) -> str | None:
    return None if moment is None else precise(moment)
