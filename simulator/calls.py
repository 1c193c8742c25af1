"""What an HTTP request to AWS is about: service, action, region and account, before moto sees it."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from moto.iam.models import get_account_id_from

# The scope of a SigV4 signature: access key, date, region, service.
_SCOPE = re.compile(r"Credential=([^/,\s]+)/\d+/([^/]+)/([^/]+)/aws4_request")
_ACTION = re.compile(rb"(?:^|&)Action=([A-Za-z0-9]+)")
_ROUTE53 = (
    ("POST", re.compile(r"/hostedzone/[^/]+/rrset/?$"), "ChangeResourceRecordSets"),
    ("GET", re.compile(r"/hostedzone/[^/]+/rrset/?$"), "ListResourceRecordSets"),
    ("GET", re.compile(r"/change/[^/]+$"), "GetChange"),
    ("GET", re.compile(r"/hostedzone/[^/]+$"), "GetHostedZone"),
    ("GET", re.compile(r"/hostedzone/?$"), "ListHostedZones"),
    ("POST", re.compile(r"/hostedzone/?$"), "CreateHostedZone"),
)


@dataclass(frozen=True)
class Call:
    """`service` is the signing name, `ec2` or `elasticloadbalancing`; "" if unsigned."""

    service: str
    action: str
    region: str
    account: str
    body: bytes


def read(environ: dict[str, Any]) -> Call:
    """Reads the body and leaves a fresh one in its place."""
    body = read_body(environ)
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    key, region, service = scope.groups() if scope else ("", "us-east-1", "")
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        action = target.rpartition(".")[2]
    elif match := _ACTION.search(body):
        action = match.group(1).decode()
    elif "Action=" in environ.get("QUERY_STRING", ""):
        action = parse_qs(environ["QUERY_STRING"]).get("Action", [""])[0]
    else:
        action = _route53(environ) if service == "route53" else ""
    return Call(service, action, region, get_account_id_from(key), body)


def read_body(environ: dict[str, Any]) -> bytes:
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    stream = environ["wsgi.input"]
    body: bytes = stream.read() if environ.get("wsgi.input_terminated") else stream.read(length)
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _route53(environ: dict[str, Any]) -> str:
    for method, pattern, action in _ROUTE53:
        if environ["REQUEST_METHOD"] == method and pattern.search(environ.get("PATH_INFO", "")):
            return action
    return ""
