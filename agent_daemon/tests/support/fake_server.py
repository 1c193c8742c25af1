"""The server's side of the protocol, as far as agents speak it."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, Optional

from .http_fake import Answer, HttpFake, Request

AGENT_ID = "agent-1"
CLIENT_TOKEN = "client-token"


def utc(seconds: float = 0.0) -> str:
    """The wire's time, ``seconds`` from now."""
    moment = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class FakeServer(HttpFake):
    """Keeps what it was told; what it answers can be set from the test."""

    def __init__(self) -> None:
        self.role = "primary"
        self.replica_id: Optional[str] = None
        self.snapshot: Optional[dict[str, Any]] = None
        self.config: dict[str, Any] = {
            "enabled": True,
            "quiesce_seconds": 0,
            "sync_kind": "none",
            "heartbeat_seconds": 30,
            "price_report_seconds": 300,
            "metadata_poll_seconds": 2,
        }
        self.client_tokens = {CLIENT_TOKEN}
        self.tokens: dict[str, str] = {}  # token -> instance id
        self.superseded: set[str] = set()  # instance ids
        self.commands: list[dict[str, Any]] = []
        self.executed: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []  # accepted, without duplicates
        self.batches: list[int] = []
        self.reports: list[dict[str, Any]] = []
        self.replicas: dict[str, dict[str, Any]] = {}
        self.sync_statuses: list[dict[str, Any]] = []
        self.clock_ahead = 0.0
        self.holds = True  # whether pending-commands is held open
        # (method, end of path) -> what is answered instead, once for each in the list
        self.overrides: dict[tuple[str, str], list[Answer]] = {}
        self.on_termination: Callable[[Request], dict[str, Any]] = lambda request: {
            "action_taken": "recorded_only",
            "replica_id": None,
            "new_primary_instance_id": None,
            "quiesce_by": None,
        }
        self.on_imminent: Callable[[Request], dict[str, Any]] = lambda request: {
            "failover_initiated": True,
            "new_primary_instance_id": "i-new",
            "failover_time_ms": 1,
        }
        # (method, end of path): taken, but the answer is lost on its way, once for each
        self.lost: list[tuple[str, str]] = []
        self.released: set[str] = set()
        self._numbers = itertools.count(1)
        super().__init__()

    # what tests do

    def command(self, command_type: str, **parameters: Any) -> str:
        """Queues a command and wakes whoever holds a request open; its id."""
        command_id = f"command-{next(self._numbers)}"
        with self.changed:
            self.commands.append(
                {
                    "command_id": command_id,
                    "command_type": command_type,
                    "parameters": parameters,
                    "priority": 50,
                    "created_at": utc(),
                    "expires_at": utc(3600),
                }
            )
            self.changed.notify_all()
        return command_id

    def supersede(self, instance_id: str) -> None:
        with self.changed:
            self.superseded.add(instance_id)
            self.changed.notify_all()

    def fail(self, method: str, path: str, *answers: Answer) -> None:
        self.overrides.setdefault((method, path), []).extend(answers)

    def wait_executed(self, command_id: str, *, seconds: float = 10) -> dict[str, Any]:
        outcome: dict[str, Any] = self.wait_for(
            lambda: self.executed.get(command_id), seconds=seconds
        )
        return outcome

    def kinds(self) -> list[str]:
        return [event["kind"] for event in list(self.events)]

    # the protocol

    def answer(self, request: Request) -> Answer:
        answer = self._answer(request)
        for method, path in list(self.lost):
            if method == request.method and request.path.endswith(path):
                self.lost.remove((method, path))
                return Answer(cut=True)
        return answer

    def _answer(self, request: Request) -> Answer:
        for (method, path), answers in self.overrides.items():
            if answers and method == request.method and request.path.endswith(path):
                return answers.pop(0)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if request.path == "/api/agents/register":
            return self._register(request, token)
        if token not in self.tokens:
            return Answer(401, {"status": "error", "message": "unknown token"})
        instance_id = self.tokens[token]
        match = re.fullmatch(rf"/api/agents/{AGENT_ID}/(.+)", request.path)
        if match is None:
            return Answer(404, {"status": "error", "message": "no such agent"})
        path = match.group(1)
        told_after = path in ("termination", "termination-imminent")
        if instance_id in self.superseded and not told_after:
            return _superseded()
        if instance_id in self.released:
            return _released()
        if request.method == "GET" and path == "pending-commands":
            return self._pending(request, instance_id)
        return self._route(request, path)

    def _register(self, request: Request, token: str) -> Answer:
        if token not in self.client_tokens:
            return Answer(401, {"status": "error", "message": "unknown token"})
        instance_id = request.body["instance_id"]
        if instance_id in self.superseded:
            return _superseded()
        if request.body.get("rejoin"):
            self.released.discard(instance_id)
        if instance_id in self.released:
            return _released()
        agent_token = f"agent-token-{next(self._numbers)}"
        self.tokens[agent_token] = instance_id
        return Answer(
            201,
            {
                "status": "success",
                "agent_id": AGENT_ID,
                "message": "registered",
                "agent_token": agent_token,
                "pool_id": "t3.medium.use1-az4",
                "config": self.config,
                "role": self.role,
                "replica_id": self.replica_id,
                "snapshot": self.snapshot,
                "server_time": utc(self.clock_ahead),
            },
        )

    def _pending(self, request: Request, instance_id: str) -> Answer:
        deadline = time.monotonic() + float(request.query.get("wait", 0)) * self.holds
        with self.changed:
            while instance_id not in self.superseded and not self.commands:
                left = deadline - time.monotonic()
                if left <= 0 or self._httpd is None:
                    break
                self.changed.wait(min(left, 0.1))
            if instance_id in self.superseded:
                return _superseded()
            return Answer(200, {"commands": list(self.commands)})

    def _route(self, request: Request, path: str) -> Answer:
        if path == "heartbeat":
            return _ok(
                has_pending_commands=bool(self.commands),
                role=self.role,
                server_time=utc(self.clock_ahead),
            )
        if path == "config":
            return Answer(200, {**self.config, "role": self.role})
        if path == "events":
            return self._take_events(request.body["events"])
        if path == "pricing-report":
            known = {(r["pool_id"], r["timestamp"]) for r in self.reports}
            self.reports += [
                r for r in request.body["reports"] if (r["pool_id"], r["timestamp"]) not in known
            ]
            return _ok(processed=True, data_quality_flag="normal")
        if path == "termination":
            return _ok(**self.on_termination(request))
        if path == "termination-imminent":
            return _ok(**self.on_imminent(request))
        if path == "create-emergency-replica":
            return _ok(replica_created=True, replica_id="replica-9")
        if path.startswith("commands/"):
            command_id = path.split("/")[1]
            self.executed.setdefault(command_id, request.body)
            self.commands = [c for c in self.commands if c["command_id"] != command_id]
            return _ok(message="marked")
        if path.startswith("replicas"):
            return self._replica(request, path.split("/")[1:])
        return Answer(404, {"status": "error", "message": f"no route {path}"})

    def _take_events(self, events: list[dict[str, Any]]) -> Answer:
        if any(event["kind"] == "poison" for event in events):
            return Answer(400, {"status": "error", "message": "poison", "errors": {"events": []}})
        self.batches.append(len(events))
        known = {event["event_id"] for event in self.events}
        fresh = [event for event in events if event["event_id"] not in known]
        self.events += fresh
        return _ok(accepted=len(fresh), duplicates=len(events) - len(fresh))

    def _replica(self, request: Request, rest: list[str]) -> Answer:
        if request.method == "GET":
            return Answer(200, {"replicas": list(self.replicas.values())})
        if not rest:
            replica_id = f"replica-{next(self._numbers)}"
            for known in self.replicas.values():
                if known["command_id"] == request.body["command_id"]:
                    return _ok(replica_id=known["replica_id"])
            self.replicas[replica_id] = {
                **request.body,
                "replica_id": replica_id,
                "status": "launching",
            }
            return _ok(replica_id=replica_id)
        if request.method == "DELETE":
            self.replicas[rest[0]]["status"] = "terminated"
            return _ok(replica_terminated=True)
        if rest[1] == "promote":
            self.replicas[rest[0]]["status"] = "promoted"
            return _ok(promoted=True, new_primary_instance_id="i-new", old_primary_terminated=False)
        self.sync_statuses.append(request.body)
        return _ok()


def _ok(**values: Any) -> Answer:
    return Answer(200, {"status": "success", **values})


def _superseded() -> Answer:
    return Answer(409, {"status": "error", "message": "superseded", "code": "superseded"})


def _released() -> Answer:
    return Answer(409, {"status": "error", "message": "released", "code": "released"})
