"""AWS Signature Version 4, for one signed POST.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Credentials:
    """Temporary credentials of a role."""

    access_key: str
    secret_key: str
    session_token: str
    expires: datetime

    def __repr__(self) -> str:
        return f"Credentials({self.access_key!r})"  # never the secret


def headers(
    *,
    credentials: Credentials,
    service: str,
    region: str,
    host: str,
    path: str,
    body: bytes,
    content_type: str,
    now: datetime,
) -> dict[str, str]:
    """The headers that sign a POST of ``body`` to ``path`` at ``host``; ``now`` is in UTC."""
    moment = now.strftime("%Y%m%dT%H%M%SZ")
    signed = {
        "content-type": content_type,
        "host": host,
        "x-amz-date": moment,
    }
    if credentials.session_token:
        signed["x-amz-security-token"] = credentials.session_token
    names = ";".join(sorted(signed))
    canonical = "\n".join(
        [
            "POST",
            path,
            "",
            *(f"{name}:{signed[name]}" for name in sorted(signed)),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    to_sign = "\n".join(
        ["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()]
    )
    key = f"AWS4{credentials.secret_key}".encode()
    for part in (moment[:8], region, service, "aws4_request"):
        key = _mac(key, part)
    signature = _mac(key, to_sign).hex()
    return {
        **signed,
        "authorization": (
            f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}"
        ),
    }


def _mac(key: bytes, message: str) -> bytes:
    return hmac.new(key, message.encode(), hashlib.sha256).digest()
