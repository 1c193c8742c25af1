"""A small HTTP server in a thread: the base of the fakes."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, NamedTuple, Optional
from urllib.parse import parse_qs, urlsplit


class Request(NamedTuple):
    """One request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        return json.loads(self.raw) if self.raw else {}


class Answer(NamedTuple):
    """One answer; a dict is sent as JSON, a str as text. ``cut`` closes without any answer."""

    status: int = 200
    body: Any = ""
    headers: dict[str, str] = {}
    cut: bool = False


class Listener(ThreadingHTTPServer):
    """Starts and stops without asking a name server and without a polling loop."""

    daemon_threads = True
    block_on_close = False

    def server_bind(self) -> None:
        TCPServer.server_bind(self)

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                request, address = self.get_request()
                self.process_request(request, address)


class HttpFake:
    """Subclasses write ``answer``. ``requests`` holds all that came in, oldest first."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.requests: list[Request] = []
        self.connections = 0
        self.port = 0
        self._sockets: set[socket.socket] = set()
        self._httpd: Optional[ThreadingHTTPServer] = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, request: Request) -> Answer:
        raise NotImplementedError

    def start(self) -> None:
        """Listens, at the same port as before."""
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                with fake.changed:
                    fake.connections += 1
                    fake._sockets.add(self.connection)

            def finish(self) -> None:
                with fake.changed:
                    fake._sockets.discard(self.connection)
                with contextlib.suppress(OSError):
                    super().finish()

            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    super().handle()

            def log_message(self, *arguments: Any) -> None:
                pass

            def _any(self) -> None:
                parts = urlsplit(self.path)
                request = Request(
                    self.command,
                    parts.path,
                    {key: values[0] for key, values in parse_qs(parts.query).items()},
                    {key.lower(): value for key, value in self.headers.items()},
                    self.rfile.read(int(self.headers.get("Content-Length") or 0)),
                )
                if fake._httpd is not self.server:  # accepted just before the fake was stopped
                    self.close_connection = True
                    return
                with fake.changed:
                    fake.requests.append(request)
                    fake.changed.notify_all()
                answer = fake.answer(request)
                with fake.changed:
                    fake.changed.notify_all()
                if answer.cut:
                    self.close_connection = True
                    return
                content = (
                    json.dumps(answer.body) if isinstance(answer.body, dict) else str(answer.body)
                ).encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = _any

        self._httpd = Listener(("127.0.0.1", self.port), Handler)
        self.port = self._httpd.server_address[1]
        threading.Thread(target=self._httpd.accept, daemon=True).start()

    def stop(self) -> None:
        """Refuses connections from now on and cuts those that are open."""
        httpd, self._httpd = self._httpd, None
        if httpd is not None:
            httpd.socket.shutdown(socket.SHUT_RDWR)
            httpd.server_close()
        self.cut()

    def cut(self) -> None:
        """Cuts the open connections, as an idle timeout or a restart does."""
        with self.changed:
            sockets = list(self._sockets)
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def seen(self, method: str, path: str) -> list[Request]:
        """The requests whose path ends with ``path``."""
        return [r for r in list(self.requests) if r.method == method and r.path.endswith(path)]

    def wait_for(self, condition: Callable[[], Any], *, seconds: float = 10) -> Any:
        """Waits until ``condition()`` holds, looking at every request; its value."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while True:
                value = condition()
                if value:
                    return value
                left = deadline - time.monotonic()
                if left <= 0:
                    trail = "\n".join(f"{r.method} {r.path} {r.raw[:200]!r}" for r in self.requests)
                    raise AssertionError(f"did not happen within {seconds} s; seen:\n{trail}")
                self.changed.wait(min(left, 0.05))
