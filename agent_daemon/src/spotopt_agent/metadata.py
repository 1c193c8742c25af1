"""The EC2 instance metadata service, version 2 (IMDSv2)."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any, Optional

from spotopt_agent.transport import Endpoint, Response, TransportError

TOKEN_TTL = 3600  # seconds; X-aws-ec2-metadata-token-ttl-seconds takes 1..21600
REFRESH_BEFORE = 15.0  # seconds before its end at which a token is replaced
TIMEOUT = 2.0


class MetadataError(Exception):
    """The service gave no usable answer."""


class Throttled(MetadataError):
    """503: asked too often; ask less."""


class Metadata:
    """Reads items over one kept token, from any thread."""

    def __init__(self, url: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._endpoint = Endpoint(url, connect_timeout=TIMEOUT)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._token = ""
        self._refresh_at = 0.0

    def get(self, path: str) -> Optional[str]:
        """The text at ``path`` (such as ``/latest/meta-data/instance-id``), None for 404.

        Raises MetadataError.
        """
        token = self._fresh_token()
        answer = self._read(path, token)
        if answer.status == 401:  # expired, or the service has forgotten it
            answer = self._read(path, self._fresh_token(unless=token))
        if answer.status == 404:
            return None
        self._check(answer, f"GET {path}")
        return answer.body.decode("utf-8", "replace")

    def get_json(self, path: str) -> Optional[dict[str, Any]]:
        """The JSON object at ``path``, None for 404. Raises MetadataError."""
        text = self.get(path)
        if text is None:
            return None
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise MetadataError(f"{path} holds no JSON object")
        return value

    def close(self) -> None:
        """Wakes whoever waits for an answer."""
        self._endpoint.close()

    def _read(self, path: str, token: str) -> Response:
        try:
            return self._endpoint.request(
                "GET", path, headers={"X-aws-ec2-metadata-token": token}, timeout=TIMEOUT
            )
        except TransportError as error:
            raise MetadataError(f"metadata service: {error}") from error

    def _fresh_token(self, *, unless: Optional[str] = None) -> str:
        with self._lock:
            stale = unless is not None and unless == self._token
            if self._token and not stale and self._monotonic() < self._refresh_at:
                return self._token
            asked_at = self._monotonic()
            try:
                answer = self._endpoint.request(
                    "PUT",
                    "/latest/api/token",
                    headers={"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_TTL)},
                    timeout=TIMEOUT,
                )
            except TransportError as error:
                raise MetadataError(f"metadata service: {error}") from error
            self._check(answer, "PUT /latest/api/token")
            self._token = answer.body.decode("ascii", "replace").strip()
            self._refresh_at = asked_at + TOKEN_TTL - REFRESH_BEFORE
            return self._token

    @staticmethod
    def _check(answer: Response, asked: str) -> None:
        if answer.status == 503:
            raise Throttled(f"{asked}: throttled")
        if answer.status != 200:
            raise MetadataError(f"{asked}: answered {answer.status}")
