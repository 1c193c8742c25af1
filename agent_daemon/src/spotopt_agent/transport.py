"""HTTP over kept connections: what the metadata service, the server and AWS are spoken to with.

``http.client`` looks at no proxy settings, which is what the metadata service needs.
"""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import ssl
import threading
from collections.abc import Mapping
from typing import NamedTuple, Optional
from urllib.parse import urlsplit

KEPT = 4  # idle connections kept to one address


class TransportError(Exception):
    """No answer: refused, timed out, cut off, or not HTTP."""


class Response(NamedTuple):
    """An answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Endpoint:
    """One address, from any number of threads, over connections that are kept between requests."""

    def __init__(self, url: str, *, connect_timeout: float = 2.0) -> None:
        parts = urlsplit(url)
        self.url = url
        self.host = parts.hostname or ""
        self.authority = parts.netloc
        self.secure = parts.scheme == "https"
        self.port = parts.port or (443 if self.secure else 80)
        self.prefix = parts.path.rstrip("/")
        self.connect_timeout = connect_timeout
        self._tls = ssl.create_default_context() if self.secure else None
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []
        self._busy: set[http.client.HTTPConnection] = set()
        self._closed = False

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: Optional[bytes] = None,
        timeout: float,
    ) -> Response:
        """Sends one request; ``timeout`` is how long each read may wait, in seconds.

        A kept connection that the other side has meanwhile closed is replaced and the request sent
        again, so callers send only what may arrive twice. Raises TransportError.
        """
        connection = self._take_idle()
        if connection is not None:
            try:
                return self._exchange(connection, method, path, headers, body, timeout)
            except (ConnectionError, http.client.BadStatusLine):
                pass
            except (OSError, http.client.HTTPException) as error:
                raise TransportError(_said(error)) from error
        try:
            connection = self._connect()
            return self._exchange(connection, method, path, headers, body, timeout)
        except (OSError, http.client.HTTPException) as error:
            raise TransportError(_said(error)) from error

    def close(self) -> None:
        """Cuts every connection, so that a thread waiting for an answer wakes at once."""
        with self._lock:
            self._closed = True
            for connection in [*self._idle, *self._busy]:
                if connection.sock is not None:
                    with contextlib.suppress(OSError):
                        connection.sock.shutdown(socket.SHUT_RDWR)

    def _connect(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection
        if self.secure:
            connection = http.client.HTTPSConnection(
                self.host, self.port, timeout=self.connect_timeout, context=self._tls
            )
        else:
            connection = http.client.HTTPConnection(
                self.host, self.port, timeout=self.connect_timeout
            )
        connection.connect()
        with self._lock:
            self._busy.add(connection)
        return connection

    def _take_idle(self) -> Optional[http.client.HTTPConnection]:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
                self._busy.add(connection)
            if self.secure or not _readable(connection.sock):
                return connection
            self._drop(connection)  # nothing was asked: what can be read is the end of it

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Optional[bytes],
        timeout: float,
    ) -> Response:
        kept = False
        try:
            if self._closed:
                raise ConnectionAbortedError("stopped")
            connection.sock.settimeout(timeout)
            connection.request(method, self.prefix + path, body=body, headers=dict(headers))
            answer = connection.getresponse()
            content = answer.read()
            kept = not answer.will_close and connection.sock is not None
            lowered = {name.lower(): value for name, value in answer.getheaders()}
            return Response(answer.status, lowered, content)
        finally:
            if kept:
                self._put_back(connection)
            else:
                self._drop(connection)

    def _put_back(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._busy.discard(connection)
            if len(self._idle) < KEPT and not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def _drop(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._busy.discard(connection)
        connection.close()


def _readable(sock: Optional[socket.socket]) -> bool:
    if sock is None:
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
