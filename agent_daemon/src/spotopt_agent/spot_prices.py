"""The current Spot price of this machine's pool, asked of EC2 with the machine's own role."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Optional
from urllib.parse import urlencode, urlsplit

from spotopt_agent import clock
from spotopt_agent.identity import Identity
from spotopt_agent.metadata import Metadata, MetadataError
from spotopt_agent.sigv4 import Credentials, headers
from spotopt_agent.transport import Endpoint, TransportError

ROLE = "/latest/meta-data/iam/security-credentials/"
API_VERSION = "2016-11-15"
PRODUCT = "Linux/UNIX"
RENEW_BEFORE = timedelta(minutes=5)
CONTENT_TYPE = "application/x-www-form-urlencoded; charset=utf-8"
DENIED = ("UnauthorizedOperation", "AuthFailure", "AccessDenied", "OptInRequired")
TIMEOUT = 10.0


class PriceUnavailable(Exception):
    """No price this time; the next attempt may succeed."""


class NotAllowed(Exception):
    """The machine has no role, or its role may not ask; asking again soon is no use."""


class SpotPrices:
    """``DescribeSpotPriceHistory`` for one instance type in one zone."""

    def __init__(
        self, *, metadata: Metadata, identity: Identity, endpoint: Optional[str] = None
    ) -> None:
        suffix = ".cn" if identity.region.startswith("cn-") else ""
        self._metadata = metadata
        self._identity = identity
        self._endpoint = Endpoint(
            endpoint or f"https://ec2.{identity.region}.amazonaws.com{suffix}"
        )
        self._credentials: Optional[Credentials] = None

    def current(self, *, now: datetime) -> Decimal:
        """USD an hour. Raises NotAllowed or PriceUnavailable."""
        moment = clock.text(now, timespec="seconds")
        body = urlencode(
            {
                "Action": "DescribeSpotPriceHistory",
                "Version": API_VERSION,
                "InstanceType.1": self._identity.instance_type,
                "AvailabilityZone": self._identity.az,
                "ProductDescription.1": PRODUCT,
                "StartTime": moment,  # "now" gives the change point in force
                "EndTime": moment,
            }
        ).encode()
        signed = headers(
            credentials=self._role_credentials(now),
            service="ec2",
            region=self._identity.region,
            host=urlsplit(self._endpoint.url).netloc,
            path="/",
            body=body,
            content_type=CONTENT_TYPE,
            now=now,
        )
        try:
            answer = self._endpoint.request("POST", "/", headers=signed, body=body, timeout=TIMEOUT)
            document = ET.fromstring(answer.body)  # noqa: S314 - from AWS, at an address of ours
        except (TransportError, ET.ParseError) as error:
            raise PriceUnavailable(str(error)) from None
        if answer.status != 200:
            code = _text(document, "Code") or str(answer.status)
            if code in DENIED:
                raise NotAllowed(code)
            raise PriceUnavailable(code)
        return self._newest(document)

    def _newest(self, document: ET.Element) -> Decimal:
        points: list[tuple[datetime, Decimal]] = []
        for item in document.iter():
            if _local(item) != "item" or _text(item, "availabilityZone") != self._identity.az:
                continue
            try:
                price = Decimal(_text(item, "spotPrice"))
                points.append((clock.parse(_text(item, "timestamp")), price))
            except (InvalidOperation, ValueError):
                continue
        if not points or not max(points)[1] > 0:
            raise PriceUnavailable("no price for this pool")
        return max(points)[1]

    def _role_credentials(self, now: datetime) -> Credentials:
        kept = self._credentials
        if kept is not None and now < kept.expires - RENEW_BEFORE:
            return kept
        try:
            role = (self._metadata.get(ROLE) or "").strip().splitlines()
            if not role:
                raise NotAllowed("the machine has no instance profile")
            value = self._metadata.get_json(ROLE + role[0])
        except MetadataError as error:
            raise PriceUnavailable(str(error)) from None
        try:
            credentials = Credentials(
                access_key=(value or {})["AccessKeyId"],
                secret_key=(value or {})["SecretAccessKey"],
                session_token=(value or {}).get("Token", ""),
                expires=clock.parse((value or {}).get("Expiration")),
            )
        except (KeyError, ValueError):
            raise NotAllowed("the instance profile gives no credentials") from None
        self._credentials = credentials
        return credentials


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(element: ET.Element, name: str) -> str:
    for child in element.iter():
        if _local(child) == name:
            return (child.text or "").strip()
    return ""
