"""A small HTTP server in a thread: the base of the fakes."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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
                fake.connections += 1
                fake._sockets.add(self.connection)

            def finish(self) -> None:
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

        self._httpd = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._httpd.daemon_threads = True
        self._httpd.block_on_close = False
        self.port = self._httpd.server_address[1]
        threading.Thread(
            target=self._httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def stop(self) -> None:
        """Refuses connections from now on and cuts those that are open."""
        if self._httpd is not None:
            self._httpd.shutdown()
            self._httpd.server_close()
            self._httpd = None
        self.cut()

    def cut(self) -> None:
        """Cuts the open connections, as an idle timeout or a restart does."""
        for sock in list(self._sockets):
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
