"""This machine's place with the server: agent id, token and role, kept across restarts."""

from __future__ import annotations

import logging
import threading
from dataclasses import asdict, dataclass, replace
from dataclasses import fields as dataclass_fields
from typing import Any, Optional

from spotopt_agent import __version__
from spotopt_agent.identity import Identity
from spotopt_agent.log import fields
from spotopt_agent.server import Server, Unauthorised, Unreachable
from spotopt_agent.settings import Settings
from spotopt_agent.statedir import REGISTRATION, SNAPSHOT, StateDir

PRIMARY = "primary"
STANDBY = "standby"

TIMEOUT = 30.0  # the server asks EC2 about the machine, and may promote it, before it answers

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Registration:
    """What ``register`` answered. ``started`` is whether the workload was started in this role."""

    agent_id: str
    token: str
    role: str
    replica_id: Optional[str] = None
    pool_id: Optional[str] = None
    started: bool = False


class Registrar:
    """Registers, and keeps the answer in the state folder."""

    def __init__(
        self,
        *,
        settings: Settings,
        identity: Identity,
        statedir: StateDir,
        server: Server,
        hooks: list[str],
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._statedir = statedir
        self._server = server
        self._hooks = hooks
        self._registering = threading.Lock()
        self._saving = threading.Lock()  # apart, so that a promotion waits for no answer
        self._current = _loaded(statedir.read(REGISTRATION))

    @property
    def current(self) -> Optional[Registration]:
        """The registration in force, None before the first."""
        return self._current

    def register(
        self, *, instead_of: Optional[Registration] = None, rejoin: bool = False
    ) -> dict[str, Any]:
        """Registers with the enrolment or client token; the server's answer.

        ``rejoin`` takes a machine back that was taken out of management.

        With ``instead_of``, does nothing (and answers ``{}``) if another thread has already
        replaced that registration. Raises ServerError.
        """
        with self._registering:
            if self._current is not instead_of:
                return {}
            if self._settings.token is None:
                raise Unauthorised(
                    401, "", "the agent's token is refused and SPOTOPT_TOKEN is not set"
                )
            answer = self._server.call(
                "POST",
                "/api/agents/register",
                token=self._settings.token,
                body=self._body(rejoin=rejoin),
                timeout=TIMEOUT,
            )
            try:
                registration = Registration(
                    agent_id=str(answer["agent_id"]),
                    token=str(answer["agent_token"]),
                    role=STANDBY if answer.get("role") == STANDBY else PRIMARY,
                    replica_id=answer.get("replica_id"),
                    pool_id=answer.get("pool_id"),
                )
            except KeyError as error:
                raise Unreachable(f"register answered without {error}") from None
            if isinstance(answer.get("snapshot"), dict):
                # Kept until the hook is through with it: the server gives it out once.
                self._statedir.write(SNAPSHOT, answer["snapshot"])
            with self._saving:
                before = self._current
                if before is not None and before.role == registration.role:
                    registration = replace(registration, started=before.started)
                self._save(registration)
        log.info(
            "registered",
            extra=fields(
                agent_id=registration.agent_id,
                role=registration.role,
                replica_id=registration.replica_id,
                pool_id=registration.pool_id,
            ),
        )
        return answer

    def update(self, **changes: Any) -> None:
        """Changes the registration in force, such as its role."""
        with self._saving:
            if self._current is not None:
                self._save(replace(self._current, **changes))

    def _save(self, registration: Registration) -> None:
        self._current = registration
        try:
            self._statedir.write(REGISTRATION, asdict(registration))
        except OSError:
            log.exception("registration not kept on disk")  # a full disk stops no promotion

    def _body(self, *, rejoin: bool) -> dict[str, Any]:
        body: dict[str, Any] = {
            "instance_id": self._identity.instance_id,
            "instance_type": self._identity.instance_type,
            "region": self._identity.region,
            "az": self._identity.az,
            "mode": self._identity.mode,
            "agent_version": __version__,
            "hooks": self._hooks,
        }
        if rejoin:
            body["rejoin"] = True
        optional = {
            "az_id": self._identity.az_id,
            "private_ip": self._identity.private_ip,
            "logical_agent_id": self._settings.logical_agent_id,
        }
        if self._settings.parent_agent_id is not None:
            optional["parent_agent_id"] = self._settings.parent_agent_id
            body["is_replica"] = True
        if self._settings.replacing_agent_id is not None:
            optional["replacing_agent_id"] = self._settings.replacing_agent_id
            body["recovery_mode"] = True
        body.update({key: value for key, value in optional.items() if value is not None})
        return body


def _loaded(kept: Optional[dict[str, Any]]) -> Optional[Registration]:
    if kept is None:
        return None
    names = {field.name for field in dataclass_fields(Registration)}
    try:
        return Registration(**{key: value for key, value in kept.items() if key in names})
    except TypeError:
        return None
