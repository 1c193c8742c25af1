"""What a slot's webhook is told, and how the receiver knows that it is we who tell it.

`Spotopt-Signature: t=<unix seconds>,v1=<hex>[,v1=<hex>…]`: HMAC-SHA256 under the slot's secret of the
seconds, a full stop and the body; one for each of TOKEN_KEYS, so that a rotation of keys breaks no receiver.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from agents.models import Agent
from spotopt.lib import keys

PURPOSE = "webhook"


def secrets_of(agent: Agent) -> list[str]:
    """The secrets that the receiver may check with, the present one first."""
    return keys.digests(str(agent.pk), purpose=PURPOSE)


def body(document: Mapping[str, Any]) -> bytes:
    """The document's bytes; the same whenever it is sent again."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def headers(agent: Agent, content: bytes, *, now: datetime) -> dict[str, str]:
    """What goes with the body."""
    seconds = int(now.timestamp())
    signed = f"{seconds}.".encode() + content
    marks = [
        hmac.digest(secret.encode(), signed, hashlib.sha256).hex() for secret in secrets_of(agent)
    ]
    return {
        "Content-Type": "application/json",
        "User-Agent": "spotopt",
        "Spotopt-Signature": ",".join([f"t={seconds}", *(f"v1={mark}" for mark in marks)]),
    }
