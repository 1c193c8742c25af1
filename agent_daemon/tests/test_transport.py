"""HTTP over kept connections."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from spotopt_agent.transport import Endpoint, TransportError

from .support.http_fake import Answer, HttpFake


class Echo(HttpFake):
    """Answers with what it was sent; ``hold`` is awaited before every answer."""

    def __init__(self) -> None:
        self.hold = threading.Event()
        self.hold.set()
        self.next: list[Answer] = []
        super().__init__()

    def answer(self, request):
        self.hold.wait(10)
        if self.next:
            return self.next.pop(0)
        return Answer(200, {"method": request.method, "path": request.path}, {"X-Odd": "Yes"})


@pytest.fixture
def echo():
    fake = Echo()
    yield fake
    fake.hold.set()
    fake.stop()


def get(endpoint: Endpoint, path: str = "/x", timeout: float = 5):
    return endpoint.request("GET", path, headers={}, timeout=timeout)


def test_an_answer_with_its_headers_in_lower_case(echo):
    answer = get(Endpoint(echo.url))
    assert answer.status == 200
    assert answer.headers["x-odd"] == "Yes"
    assert b'"GET"' in answer.body


def test_a_body_and_headers_are_sent(echo):
    Endpoint(echo.url).request(
        "POST", "/y", headers={"Authorization": "Bearer t"}, body=b'{"a": 1}', timeout=5
    )
    [request] = echo.requests
    assert request.body == {"a": 1}
    assert request.headers["authorization"] == "Bearer t"
    assert request.headers["host"] == f"127.0.0.1:{echo.port}"


def test_a_path_in_the_address_is_put_before(echo):
    get(Endpoint(echo.url + "/behind/"), "/api")
    assert echo.requests[0].path == "/behind/api"


def test_one_connection_serves_many_requests(echo):
    endpoint = Endpoint(echo.url)
    for _ in range(5):
        get(endpoint)
    assert echo.connections == 1


def test_two_at_a_time_take_two_connections_and_keep_them(echo):
    endpoint = Endpoint(echo.url)
    echo.hold.clear()
    threads = [threading.Thread(target=get, args=(endpoint,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    echo.wait_for(lambda: len(echo.requests) == 2)
    echo.hold.set()
    for thread in threads:
        thread.join(5)
    get(endpoint)
    assert echo.connections == 2


def test_a_connection_that_was_closed_while_idle_is_replaced(echo):
    endpoint = Endpoint(echo.url)
    get(endpoint)
    echo.cut()
    assert get(endpoint).status == 200
    assert len(echo.requests) == 2


def test_a_kept_connection_that_dies_under_a_request_is_replaced(echo):
    endpoint = Endpoint(echo.url)
    get(endpoint)
    echo.next.append(Answer(cut=True))
    assert get(endpoint).status == 200
    assert len(echo.requests) == 3


def test_a_fresh_connection_that_is_cut_is_no_answer(echo):
    echo.next.append(Answer(cut=True))
    with pytest.raises(TransportError):
        get(Endpoint(echo.url))


def test_a_server_that_closes_after_each_answer_is_served(echo):
    endpoint = Endpoint(echo.url)
    for _ in range(3):
        echo.next.append(Answer(200, "bye", {"Connection": "close"}))
        assert get(endpoint).body == b"bye"
    assert echo.connections == 3


def test_nobody_there():
    with pytest.raises(TransportError, match="Refused"):
        get(Endpoint("http://127.0.0.1:9"))


def test_an_unknown_host():
    with pytest.raises(TransportError):
        get(Endpoint("http://no-such-host.invalid"))


def test_too_slow_an_answer_is_none(echo):
    echo.hold.clear()
    with pytest.raises(TransportError, match=r"[Tt]ime"):
        get(Endpoint(echo.url), timeout=0.05)


def test_a_slow_answer_is_not_asked_for_twice(echo):
    endpoint = Endpoint(echo.url)
    get(endpoint)
    echo.hold.clear()
    with pytest.raises(TransportError):
        get(endpoint, timeout=0.05)
    assert len(echo.requests) == 2


def test_what_is_not_http_is_no_answer():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def babble() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")

        threading.Thread(target=babble, daemon=True).start()
        with pytest.raises(TransportError):
            get(Endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}"))


def test_close_wakes_a_waiting_thread_and_ends_all_sending(echo):
    endpoint = Endpoint(echo.url)
    echo.hold.clear()
    failed = threading.Event()

    def wait() -> None:
        try:
            get(endpoint, timeout=30)
        except TransportError:
            failed.set()

    threading.Thread(target=wait, daemon=True).start()
    echo.wait_for(lambda: echo.requests)
    began = time.monotonic()
    endpoint.close()
    assert failed.wait(5)
    assert time.monotonic() - began < 5
    with pytest.raises(TransportError, match="stopped"):
        get(endpoint)


def test_proxies_in_the_environment_are_ignored(echo, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert get(Endpoint(echo.url)).status == 200


def test_tls_is_verified(echo):
    endpoint = Endpoint(echo.url.replace("http:", "https:"))
    with pytest.raises(TransportError, match="SSL"):
        get(endpoint)


@pytest.mark.parametrize(
    ("url", "port"), [("http://a", 80), ("https://a", 443), ("https://a:8443/x", 8443)]
)
def test_ports(url, port):
    assert Endpoint(url).port == port


def test_no_more_than_a_few_connections_are_kept(echo):
    endpoint = Endpoint(echo.url)
    echo.hold.clear()
    threads = [threading.Thread(target=get, args=(endpoint,)) for _ in range(7)]
    for thread in threads:
        thread.start()
    echo.wait_for(lambda: len(echo.requests) == 7)
    echo.hold.set()
    for thread in threads:
        thread.join(5)
    echo.wait_for(lambda: len(echo._sockets) == 4)
