"""How traffic may follow a slot's primary, besides its target group: what its `routing` document may say.

    {"dns": {"zone_id": "Z123", "name": "api.example.com", "type": "A", "address": "private", "ttl": 30},
     "elastic_ip": {"allocation_id": "eipalloc-0123456789abcdef0"},
     "webhook": {"url": "https://example.com/moved", "allow_http": false}}

Every part is optional. Pure: no look-ups here, what a name resolves to is checked when it is called.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

ZONE = re.compile(r"(?:/hostedzone/)?(Z[A-Z0-9]{1,31})")
LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
NAME = re.compile(rf"(?:\*\.)?(?:{LABEL}\.)+{LABEL}\.?")
ALLOCATION = re.compile(r"eipalloc-[0-9a-f]{8,17}")
PLAIN = re.compile(r"[\x21-\x7e]{1,500}")


class Wrong(Exception):
    """Some part of the document is refused; the text begins with its path."""


def document(value: Any) -> dict[str, Any]:
    """The document as it is stored, with its defaults filled in. Raises Wrong, naming the field."""
    if value is None:
        return {}
    return {
        name: PARTS[name](part)
        for name, part in _object("routing", value, tuple(PARTS)).items()
        if part is not None
    }


def _dns(value: Any) -> dict[str, Any]:
    keys = ("zone_id", "name", "type", "address", "ttl")
    given = {"type": "A", "address": "private", "ttl": 30, **_object("dns", value, keys)}
    zone = ZONE.fullmatch(_text("dns.zone_id", given.get("zone_id")))
    if zone is None:
        raise Wrong("dns.zone_id: must be the id of a hosted zone, such as Z0123456789ABC.")
    name = _text("dns.name", given.get("name"))
    if not NAME.fullmatch(name) or len(name) > 253:
        raise Wrong("dns.name: must be a full domain name.")
    if given["type"] not in ("A", "AAAA"):
        raise Wrong("dns.type: must be A or AAAA.")
    if given["address"] not in ("private", "public"):
        raise Wrong("dns.address: must be private or public.")
    ttl = given["ttl"]
    if isinstance(ttl, bool) or not isinstance(ttl, int) or not 1 <= ttl <= 86_400:
        raise Wrong("dns.ttl: must be a whole number of seconds from 1 to 86400.")
    return {
        "zone_id": zone[1],
        "name": name.rstrip(".").lower(),
        "type": given["type"],
        "address": given["address"],
        "ttl": ttl,
    }


def _elastic_ip(value: Any) -> dict[str, Any]:
    given = _object("elastic_ip", value, ("allocation_id",))
    text = _text("elastic_ip.allocation_id", given.get("allocation_id"))
    if not ALLOCATION.fullmatch(text):
        raise Wrong("elastic_ip.allocation_id: must look like eipalloc-0123456789abcdef0.")
    return {"allocation_id": text}


def _webhook(value: Any) -> dict[str, Any]:
    given = _object("webhook", value, ("url", "allow_http"))
    allow_http = given.get("allow_http", False)
    if not isinstance(allow_http, bool):
        raise Wrong("webhook.allow_http: must be true or false.")
    url = _text("webhook.url", given.get("url"))
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise Wrong("webhook.url: must be a URL.") from None
    if not PLAIN.fullmatch(url) or not host or parts.scheme not in ("http", "https"):
        raise Wrong("webhook.url: must be an https URL of at most 500 characters.")
    if parts.username is not None or parts.password is not None:
        raise Wrong("webhook.url: must not hold a user or a password.")
    if parts.scheme == "http" and not allow_http:
        raise Wrong("webhook.url: must be https, or set webhook.allow_http to true.")
    return {"url": url, "allow_http": allow_http}


PARTS: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "dns": _dns,
    "elastic_ip": _elastic_ip,
    "webhook": _webhook,
}


def _object(where: str, value: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise Wrong(f"{where}: must be an object.")
    for key in value:
        if key not in keys:
            raise Wrong(f"{where}.{str(key)[:40]}: there is no such key; known: {', '.join(keys)}.")
    return dict(value)


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise Wrong(f"{where}: must be given, as text.")
    return value
