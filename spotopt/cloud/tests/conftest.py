"""Two counterparts over real HTTP: moto as a whole AWS, and a server that answers what a test tells it."""

import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import boto3
import pytest
from moto.server import ThreadedMotoServer

from simulator.tests.harness import Sim
from spotopt.cloud import session

REGION = "us-east-1"


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def cold_clients(monkeypatch) -> Iterator[None]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    session.forget()
    yield
    session.forget()


@pytest.fixture
def aws(moto_url, settings) -> Iterator[str]:
    """moto, empty."""
    settings.AWS_ENDPOINT_URL = moto_url
    yield moto_url
    request = urllib.request.Request(f"{moto_url}/moto-api/reset", method="POST")
    urllib.request.urlopen(request).read()


@pytest.fixture
def outside(aws):
    """A plain boto3 client factory, for looking at moto past our own code."""

    def make(service: Any) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=aws,
            aws_access_key_id="x",
            aws_secret_access_key="x",
        )

    return make


class Script:
    """What to answer, and what was asked: each call takes the next answer, the last one stays."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, str, bytes]] = []
        self.asked: list[dict[str, str]] = []
        self.bodies: list[bytes] = []

    def say(self, status: int, body: str, kind: str = "text/xml") -> "Script":
        self.answers.append((status, kind, body.encode()))
        return self

    def refuse(self, code: str, message: str = "no", status: int = 400) -> "Script":
        return self.say(
            status,
            f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
            "<RequestID>r</RequestID></Response>",
        )


@pytest.fixture
def script(settings) -> Iterator[Script]:
    told = Script()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            told.bodies.append(body)
            told.asked.append({k: v[0] for k, v in parse_qs(body.decode()).items()})
            status, kind, text = told.answers.pop(0) if len(told.answers) > 1 else told.answers[0]
            if status == 0:  # the line is cut
                self.connection.close()
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.AWS_ENDPOINT_URL = f"http://127.0.0.1:{server.server_port}"
    yield told
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def _simulator() -> Iterator[Sim]:
    running = Sim("--no-agents", speed=100)
    yield running
    running.stop()


@pytest.fixture
def sim(_simulator: Sim, settings) -> Sim:
    """The simulated AWS, reset: idempotent launches, faults, prices that move."""
    _simulator.reset()
    settings.AWS_ENDPOINT_URL = _simulator.url
    return _simulator
