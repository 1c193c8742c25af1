"""Calls to addresses that users name."""

import http.server
import socket
import threading

import pytest

from spotopt.lib import outbound


class Receiver(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.statuses = [200]
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/moved?x=1"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, dict(self.headers), body))
        statuses = self.server.statuses
        self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
        self.send_header("Location", self.server.url)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def receiver():
    running = Receiver()
    yield running
    running.shutdown()
    running.server_close()


def resolving(monkeypatch, *addresses):
    def answer(host, port, **more):
        return [
            (socket.AF_INET6 if ":" in a else socket.AF_INET, 1, 6, "", (a, port))
            for a in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


def test_it_arrives(receiver):
    status = outbound.post(receiver.url, b"{}", headers={"X-Mark": "1"}, anywhere=True)
    [(path, headers, body)] = receiver.seen
    assert (status, path, body, headers["X-Mark"]) == (200, "/moved?x=1", b"{}", "1")
    assert headers["Host"] == f"127.0.0.1:{receiver.server_port}"


@pytest.mark.parametrize(
    ("status", "permanent"),
    [
        (301, True), (307, True), (400, True), (404, True), (410, True),
        (408, False), (429, False), (500, False), (503, False),
    ],
)  # fmt: skip
def test_what_is_not_accepted(receiver, status, permanent):
    receiver.statuses = [status]
    with pytest.raises(outbound.Undelivered, match=str(status)) as refused:
        outbound.post(receiver.url, b"{}", headers={}, anywhere=True)
    assert refused.value.permanent is permanent
    assert len(receiver.seen) == 1  # no redirect is followed


def test_nobody_listens():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}/"
        with pytest.raises(outbound.Undelivered) as refused:
            outbound.post(url, b"{}", headers={}, anywhere=True)
    assert refused.value.permanent is False


def test_it_is_not_waited_for_long(monkeypatch):
    monkeypatch.setattr(outbound, "SECONDS", 0.05)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/"
        with pytest.raises(outbound.Undelivered, match="imeout"):
            outbound.post(url, b"{}", headers={}, anywhere=True)


def test_tls_is_tls(receiver):
    with pytest.raises(outbound.Undelivered, match="SSL"):
        outbound.post(receiver.url.replace("http://", "https://"), b"{}", headers={}, anywhere=True)
    assert receiver.seen == []


def test_this_machine_is_out_of_bounds(receiver):
    with pytest.raises(outbound.Undelivered) as refused:
        outbound.post(receiver.url, b"{}", headers={})
    assert refused.value.permanent is True
    assert receiver.seen == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.170.2", "224.0.0.1",
        "::1", "::", "fe80::1", "fe80::1%eth0", "ff02::1", "fd00:ec2::254", "::ffff:127.0.0.1",
        "::ffff:169.254.169.254", "2002:7f00:1::", "2002:a9fe:a9fe::1",
    ],
)  # fmt: skip
def test_addresses_that_nobody_may_name(monkeypatch, address):
    assert outbound.allowed(address) is False
    resolving(monkeypatch, "93.184.216.34", address)
    with pytest.raises(outbound.Undelivered) as refused:
        outbound.resolve("example.com", 443, anywhere=False)
    assert refused.value.permanent is True


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "10.0.0.8", "192.168.1.1", "2606:2800:220:1::1", "fd12::1"]
)
def test_other_addresses(monkeypatch, address):
    resolving(monkeypatch, address)
    assert outbound.resolve("example.com", 443, anywhere=False) == address


def test_the_address_that_was_checked_is_the_one_called(monkeypatch, receiver):
    """A name that resolves to something else the second time gains nothing."""
    asked = []
    real = socket.getaddrinfo

    def once(host, port, **more):
        asked.append(host)
        return [(socket.AF_INET, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(outbound, "allowed", lambda address: True)
    monkeypatch.setattr(socket, "getaddrinfo", once)
    connect = socket.create_connection

    def connecting(address, *rest):
        assert address[0] == "127.0.0.1"
        monkeypatch.setattr(socket, "getaddrinfo", real)
        return connect(address, *rest)

    monkeypatch.setattr(socket, "create_connection", connecting)
    outbound.post(f"http://moved.example:{receiver.server_port}/", b"{}", headers={})
    assert asked == ["moved.example"]
    assert receiver.seen[0][1]["Host"].startswith("moved.example")


def test_a_name_that_nobody_knows():
    with pytest.raises(outbound.Undelivered) as refused:
        outbound.post("https://nobody.invalid/", b"{}", headers={})
    assert refused.value.permanent is False


@pytest.mark.parametrize("url", ["ftp://example.com/", "https:///x", "file:///etc/passwd", ""])
def test_other_schemes(url):
    with pytest.raises(outbound.Undelivered) as refused:
        outbound.post(url, b"", headers={}, anywhere=True)
    assert refused.value.permanent is True
