"""HTTP to addresses that users name: https, no redirects, never to this machine or its metadata."""

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

SECONDS = 4.0  # to connect, and for each read
# The metadata service's IPv6 address lies in a private range, not in the link-local one.
METADATA = (ipaddress.ip_network("fd00:ec2::/32"),)


class Undelivered(Exception):
    """It did not arrive, or was not accepted; asking again may help unless `permanent`."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message[:200])
        self.permanent = permanent


def allowed(address: str) -> bool:
    """Whether a call may go to this IP address: not loopback, link-local, multicast, unspecified."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None:
            return allowed(str(inner))
        if any(ip in network for network in METADATA):
            return False
    elif ip in ipaddress.ip_network("0.0.0.0/8"):
        return False
    return not (ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified)


def resolve(host: str, port: int, *, anywhere: bool) -> str:
    """An address of the host that may be called. All of them must be fit: a mixed answer is a trick."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Undelivered(f"{host} is not known: {error}") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not anywhere and not all(allowed(address) for address in addresses):
        raise Undelivered(f"{host} is an address of this machine or network link.", permanent=True)
    return addresses[0]


class _Plain(http.client.HTTPConnection):
    """Goes to the address that was checked, whatever the name resolves to by now."""

    def __init__(self, host: str, port: int, address: str) -> None:
        super().__init__(host, port, timeout=SECONDS)
        self.address = address

    def connect(self) -> None:
        """To the address, not the name."""
        self.sock = socket.create_connection((self.address, self.port), self.timeout)


class _Secure(_Plain):
    """The same under TLS: the certificate must be the name's."""

    default_port = 443

    def connect(self) -> None:
        """To the address, under the name."""
        super().connect()
        context = ssl.create_default_context()
        self.sock = context.wrap_socket(self.sock, server_hostname=self.host)


def post(url: str, body: bytes, *, headers: Mapping[str, str], anywhere: bool = False) -> int:
    """POST, and return the status, 200 to 299. Raises Undelivered.

    `anywhere` lifts the ban on local addresses. Redirects are not followed, and the answer is not read.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Undelivered("Not an http or https URL.", permanent=True)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    address = resolve(parts.hostname, port, anywhere=anywhere)
    connection = (_Secure if secure else _Plain)(parts.hostname, port, address)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target, body, dict(headers))
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Undelivered(f"{type(error).__name__}: {error}") from error
    finally:
        connection.close()
    if 200 <= status < 300:
        return status
    raise Undelivered(
        f"answered {status}", permanent=300 <= status < 500 and status not in (408, 425, 429)
    )
