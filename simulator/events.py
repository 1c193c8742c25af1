"""EventBridge events about instances, put on the default bus of the instance's account and region.

The ARN in `resources` is malformed as in life: for warnings and recommendations the zone stands where
the region should, and the account is missing.
"""

from __future__ import annotations

import copy
import json
import sys
import time
import traceback
from threading import RLock
from typing import Any
from uuid import uuid4

from moto.events.models import events_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from .clock import iso
from .machines import Machine

INTERRUPTION = "EC2 Spot Instance Interruption Warning"
REBALANCE = "EC2 Instance Rebalance Recommendation"
STATE_CHANGE = "EC2 Instance State-change Notification"


def state_changed(machine: Machine, state: str) -> dict[str, Any]:
    arn = f"arn:aws:ec2:{machine.region}:{machine.account}:instance/{machine.instance_id}"
    detail = {"instance-id": machine.instance_id, "state": state}
    return _event(machine, STATE_CHANGE, arn, detail)


def interruption_warning(machine: Machine, action: str) -> dict[str, Any]:
    detail = {"instance-id": machine.instance_id, "instance-action": action}
    return _event(machine, INTERRUPTION, _zone_arn(machine), detail)


def rebalance_recommendation(machine: Machine) -> dict[str, Any]:
    return _event(machine, REBALANCE, _zone_arn(machine), {"instance-id": machine.instance_id})


def publish(machine: Machine, event: dict[str, Any], lock: RLock) -> int:
    """Give the event to every rule that it matches. Returns to how many targets it went; a
    target that fails is reported on stderr, as EventBridge's caller never hears of it."""
    sent = 0
    with lock:
        bus = events_backends[machine.account][machine.region].event_buses.get("default")
        rules = list(bus.rules.values()) if bus else []
        for rule in rules:
            if rule.state != "ENABLED" or not _matches(rule, event):
                continue
            for target in list(rule.targets):
                try:
                    _send(rule, target, event)
                    sent += 1
                except Exception:  # noqa: BLE001 - a broken target is the rule's owner's business
                    traceback.print_exc(file=sys.stderr)
    return sent


def _matches(rule: Any, event: dict[str, Any]) -> bool:
    return rule.scheduled_expression is None and bool(rule.event_pattern.matches_event(event))


def _send(rule: Any, target: dict[str, Any], event: dict[str, Any]) -> None:
    service, region, account, name = target["Arn"].split(":", 5)[2:6]
    if service == "sqs" and not target.get("InputTransformer"):
        sqs_backends[account][region].send_message(queue_name=name, message_body=json.dumps(event))
    elif service == "sns":
        sns_backends[account][region].publish(message=json.dumps(event), arn=target["Arn"])
    else:
        only_this = copy.copy(rule)
        only_this.targets = [target]
        only_this.send_to_targets({**event, "time": time.time()})


def _zone_arn(machine: Machine) -> str:
    return f"arn:aws:ec2:{machine.az}:instance/{machine.instance_id}"


def _event(machine: Machine, kind: str, arn: str, detail: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": kind,
        "source": "aws.ec2",
        "account": machine.account,
        "time": iso(time.time()),
        "region": machine.region,
        "resources": [arn],
        "detail": detail,
    }
