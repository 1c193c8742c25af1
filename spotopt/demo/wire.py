"""JSON over HTTP, as a customer's program would speak it, and AWS's query protocol for what we never call."""

import json
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ET
from typing import Any

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class WireError(Exception):
    """The other side refused; `status` and what it said."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{status}: {said[:500]}")
        self.status = status


def call(
    method: str, url: str, body: Any = None, *, token: str = "", seconds: float = 30.0
) -> dict[str, Any]:
    """One request; raises WireError for an answer of 400 and above, OSError for none."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)  # noqa: S310 - http only
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with DIRECT.open(request, timeout=seconds) as answer:
            found: dict[str, Any] = json.loads(answer.read() or b"{}")
            return found
    except urllib.error.HTTPError as error:
        raise WireError(error.code, error.read().decode(errors="replace")) from error


def aws(url: str, service: str, region: str, action: str, version: str, **given: str) -> ET.Element:
    """One call of AWS's query protocol; the simulated AWS reads the service from the credential scope."""
    fields = {"Action": action, "Version": version, **given}
    request = urllib.request.Request(url, data=urllib.parse.urlencode(fields).encode())  # noqa: S310
    request.add_header("Authorization", _scope(service, region))
    try:
        with DIRECT.open(request, timeout=30) as answer:
            return ET.fromstring(answer.read())  # noqa: S314
    except urllib.error.HTTPError as error:
        raise WireError(error.code, error.read().decode(errors="replace")) from error


def aws_json(url: str, service: str, region: str, target: str, **given: Any) -> dict[str, Any]:
    """One call of AWS's JSON protocol."""
    request = urllib.request.Request(url, data=json.dumps(given).encode())  # noqa: S310
    request.add_header("Content-Type", "application/x-amz-json-1.1")
    request.add_header("X-Amz-Target", target)
    request.add_header("Authorization", _scope(service, region))
    with DIRECT.open(request, timeout=30) as answer:
        found: dict[str, Any] = json.loads(answer.read() or b"{}")
        return found


def _scope(service: str, region: str) -> str:
    return (
        f"AWS4-HMAC-SHA256 Credential=demo/20260101/{region}/{service}/aws4_request, "
        "SignedHeaders=host, Signature=demo"
    )


def text_of(element: ET.Element, name: str) -> str:
    """The first element of this name anywhere below, whatever its namespace."""
    for child in element.iter():
        if child.tag.rpartition("}")[2] == name:
            return child.text or ""
    raise KeyError(name)
