"""A metadata service that checks its tokens."""

from __future__ import annotations

import itertools
import time
from typing import Any, Optional

from .http_fake import Answer, HttpFake, Request

DOCUMENT = "/latest/dynamic/instance-identity/document"
ITEMS = "/latest/meta-data/"
ROLE = "iam/security-credentials/"


class FakeMetadata(HttpFake):
    """``items`` maps paths below /latest/meta-data/ to their text or JSON; missing ones are 404."""

    def __init__(self, instance_id: str = "i-0aaaaaaaaaaaaaaa1") -> None:
        self.instance_id = instance_id
        self.items: dict[str, Any] = {
            "instance-id": instance_id,
            "instance-type": "t3.medium",
            "instance-life-cycle": "spot",
            "placement/region": "us-east-1",
            "placement/availability-zone": "us-east-1a",
            "placement/availability-zone-id": "use1-az4",
            "local-ipv4": "10.0.0.7",
        }
        self.document: Optional[dict[str, Any]] = {
            "instanceId": instance_id,
            "instanceType": "t3.medium",
            "region": "us-east-1",
            "availabilityZone": "us-east-1a",
            "privateIp": "10.0.0.7",
            "accountId": "123456789012",
        }
        self.tokens: dict[str, float] = {}
        self.failing: Optional[int] = None  # a status that every request gets
        self._numbers = itertools.count(1)
        super().__init__()

    def notice(self, when: str, action: str = "terminate") -> None:
        self.items["spot/instance-action"] = {"action": action, "time": when}

    def recommend(self, when: str) -> None:
        self.items["events/recommendations/rebalance"] = {"noticeTime": when}

    def give_role(self) -> None:
        self.items[ROLE] = "spotopt-agent"
        self.items[ROLE + "spotopt-agent"] = {
            "AccessKeyId": "ASIAEXAMPLE",
            "SecretAccessKey": "not-a-secret",
            "Token": "session",
            "Expiration": "2099-01-01T00:00:00Z",
        }

    def answer(self, request: Request) -> Answer:
        if self.failing is not None:
            return Answer(self.failing, "no")
        if request.path == "/latest/api/token":
            ttl = request.headers.get("x-aws-ec2-metadata-token-ttl-seconds", "")
            if request.method != "PUT":
                return Answer(405)
            if not ttl.isdigit() or not 1 <= int(ttl) <= 21600:
                return Answer(400)
            token = f"token-{next(self._numbers)}"
            self.tokens[token] = time.monotonic() + int(ttl)
            return Answer(200, token)
        expires = self.tokens.get(request.headers.get("x-aws-ec2-metadata-token", ""), 0.0)
        if expires < time.monotonic():
            return Answer(401, "Unauthorized")
        if request.path == DOCUMENT:
            value: Any = self.document
        else:
            value = self.items.get(request.path[len(ITEMS) :])
        return Answer(404, "Not Found") if value is None else Answer(200, value)
