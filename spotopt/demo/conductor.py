"""Conducts the demo: curtain up, the cast moves in, the play, the report."""

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from agents.models import Instance
from pricing import collector
from replicas.models import Saga
from spotopt.cloud.account import Account
from spotopt.demo import customer as customers
from spotopt.demo import report, wire
from spotopt.demo.customer import REGION, Customer
from spotopt.demo.play import Play
from spotopt.demo.prober import Prober, Record
from spotopt.demo.stage import Stage, raise_curtain
from spotopt.lib.supervisor import Supervisor

MOVING_IN = 120.0  # seconds at the most until all agents have registered
CALM = 90.0  # seconds at the most until everything has settled at the end


def perform(stage: Stage) -> int:
    """Play to the end, or until Ctrl-C; the exit code is 1 if the report has a violation."""
    with Supervisor() as supervisor:
        raise_curtain(stage, supervisor)
        customer = customers.move_in(stage)
        _wait(lambda: customers.known(stage, customer), MOVING_IN, "the agents did not register")
        types = {workload.instance_type for workload in customer.workloads}
        collector.ensure_fresh(
            Account(),
            REGION,
            instance_types=types,
            now=timezone.now(),
            max_age=timedelta(minutes=5),
        )
        records = {w.agent_id: Record(w.target_group_arn) for w in customer.workloads}
        prober = Prober(stage.aws_url, records)
        prober.start()
        _wait(lambda: all(r.serving for r in records.values()), 60, "the workloads do not answer")
        if not stage.options.headless:
            _welcome(stage, customer)
        play = Play(stage=stage, customer=customer, records=records, tell=_tell)
        play.begin()
        started = time.monotonic()
        try:
            _watch(stage, supervisor, started)
        except KeyboardInterrupt:
            _tell("ending")
            if not stage.options.headless:
                prober.stop()
                return 0
        play.end(patience=150)
        _wait(_calm, CALM, "")
        prober.stop()
        state = wire.call("GET", f"{stage.aws_url}/_sim/")
        found = report.build(
            customer=customer,
            state=state,
            raised=play.raised,
            records=records,
            now=datetime.now(UTC),
        )
    return _publish(found, stage)


def _watch(stage: Stage, supervisor: Supervisor, started: float) -> None:
    """Until the time is over (headless), Ctrl-C, or a process that ends by itself."""
    while True:
        left = stage.options.minutes * 60 - (time.monotonic() - started)
        if stage.options.headless and left <= 0:
            return
        ended = supervisor.wait(timeout=min(left, 1.0) if stage.options.headless else 1.0)
        if ended is not None:
            raise RuntimeError(f"{ended.name} ended with {ended.code}; see {stage.data_dir}/logs")


def _calm() -> bool:
    moving = Saga.objects.filter(status__in=Saga.OPEN).exclude(status=Saga.Status.STANDING)
    leaving = Instance.objects.billing().exclude(retire_asked_at=None)
    return not moving.exists() and not leaving.exists()


def _wait(question: Callable[[], bool], seconds: float, complaint: str) -> None:
    until = time.monotonic() + seconds
    while not question():
        if time.monotonic() > until:
            if complaint:
                raise RuntimeError(f"{complaint} within {seconds:.0f} s")
            return
        time.sleep(0.2)


def _welcome(stage: Stage, customer: Customer) -> None:
    lines = ["", f"  Spot Optimizer is live at {stage.web_url}/", ""]
    for person in customer.people:
        lines.append(f"    {person.username:8} {person.password}   {person.what}")
    lines += ["", "  Interruptions begin now, and go on until Ctrl-C.", ""]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _tell(line: str) -> None:
    sys.stdout.write(f"{datetime.now(UTC):%H:%M:%S}  {line}\n")
    sys.stdout.flush()


def _publish(found: dict[str, Any], stage: Stage) -> int:
    text = json.dumps(found, indent=2) + "\n"
    if stage.options.report is None:
        sys.stdout.write(text)
    else:
        stage.options.report.write_text(text)
    for violation in found["violations"]:
        sys.stderr.write(f"violation: {violation}\n")
    return 1 if found["violations"] else 0
