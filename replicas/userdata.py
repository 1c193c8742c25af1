"""What a machine launched by us runs at boot: who it is, the client's own script, then the agent."""

import shlex

from django.conf import settings

from replicas.models import Replica
from spotopt.lib.errors import Impossible


class NoPublicUrl(Impossible):
    """A launched machine would not know where to report."""


def render(*, replica: Replica, token: str, client_script: str) -> str:
    """The same text for the same row and attempt, so that a launch asked again is the same launch."""
    if not settings.PUBLIC_URL:
        raise NoPublicUrl("PUBLIC_URL is not set: machines would not find this server.")
    facts = {
        "SPOTOPT_SERVER_URL": settings.PUBLIC_URL,
        "SPOTOPT_TOKEN": token,
        "SPOTOPT_PARENT_AGENT_ID": str(replica.agent_id),
    }
    lines = ["#!/bin/sh", "# Written by Spot Optimizer: a replica's boot."]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in facts.items()]
    if client_script:
        # In the same shell: what it exports, the agent sees.
        lines += ["# The client's own script.", _without_shebang(client_script)]
    lines += [
        "if ! command -v spotopt-agent >/dev/null 2>&1; then",
        '  echo "spotopt-agent is not installed in this image" >&2',
        "  exit 1",
        "fi",
        "exec spotopt-agent run",
    ]
    return "\n".join(lines) + "\n"


def _without_shebang(script: str) -> str:
    head, _, rest = script.replace("\r\n", "\n").partition("\n")
    return (rest if head.startswith("#!") else script).strip("\n")
