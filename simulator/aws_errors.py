"""Errors as each AWS service writes them, so that boto3 raises a ClientError with a code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import uuid4
from xml.sax.saxutils import escape

_JSON = {"sqs", "events", "ssm", "pricing", "servicequotas", "logs", "dynamodb", "lambda"}


class Refusal(Exception):
    """What a service answers with 400; `code` is the AWS name of it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class WireError:
    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def write(*, service: str, code: str, message: str, status: int) -> WireError:
    """`service` is the signing name, `ec2` or `sqs`."""
    request = str(uuid4())
    if service in _JSON:
        body = json.dumps({"__type": code, "message": message})
        return WireError(
            status, "application/x-amz-json-1.1", body.encode(), (("x-amzn-RequestId", request),)
        )
    told = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if service == "ec2":
        text = (
            f"<Response><Errors><Error>{told}</Error></Errors>"
            f"<RequestID>{request}</RequestID></Response>"
        )
    else:
        kind = "Receiver" if status >= 500 else "Sender"
        text = (
            f"<ErrorResponse><Error><Type>{kind}</Type>{told}</Error>"
            f"<RequestId>{request}</RequestId></ErrorResponse>"
        )
    return WireError(status, "text/xml", f'<?xml version="1.0"?>{text}'.encode())


def throttled(service: str) -> tuple[str, int]:
    """How that service says "too fast": the code and the HTTP status."""
    if service == "ec2":
        return "RequestLimitExceeded", 503
    return ("ThrottlingException" if service in _JSON else "Throttling"), 400


def denied(service: str) -> str:
    """The code with which that service says "you may not"."""
    if service == "ec2":
        return "UnauthorizedOperation"
    return "AccessDeniedException" if service in _JSON else "AccessDenied"
