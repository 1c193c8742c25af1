"""The ASGI application: which requests are held open by a consumer, and which go to Django."""

import pytest
from asgiref.testing import ApplicationCommunicator

from clients import bridge
from spotopt import asgi

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/agents/0b8f8f3a-0000-4000-8000-000000000000/pending-commands"


def scope(path, method="GET", query=b"", **headers):
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": [
            (b"host", b"localhost"),
            *((k.encode(), v.encode()) for k, v in headers.items()),
        ],
        "client": ("192.0.2.1", 1),
        "server": ("localhost", 80),
    }


@pytest.fixture
def taken(monkeypatch):
    """Who took a request."""
    seen = []

    def taker(name):
        async def take(scope, receive, send):
            seen.append((name, scope["url_route"]["kwargs"].get("agent_id")))

        return take

    monkeypatch.setattr(asgi, "held_open", taker("consumer"))
    monkeypatch.setattr(asgi, "pages", taker("django"))
    return seen


@pytest.mark.parametrize(
    ("method", "query", "taker"),
    [
        ("GET", b"wait=25", "consumer"),
        ("GET", b"a=b&wait=1", "consumer"),
        ("GET", b"wait=0&wait=3", "consumer"),
        ("GET", b"wait=99999", "consumer"),
        ("GET", b"", "django"),
        ("GET", b"wait=0", "django"),
        ("GET", b"wait=", "django"),
        ("GET", b"wait=-1", "django"),
        ("GET", b"wait=soon", "django"),
        ("GET", b"wait=1.5", "django"),
        ("GET", b"wait=%C2%B2", "django"),
        ("GET", b"\xff\xfe", "django"),
        ("POST", b"wait=25", "django"),
        ("OPTIONS", b"wait=25", "django"),
    ],
)
async def test_what_waits_is_held_open(taken, method, query, taker):
    async def unheard():
        raise AssertionError

    await asgi.router(scope(URL, method, query), unheard, unheard)
    assert taken == [(taker, "0b8f8f3a-0000-4000-8000-000000000000")]


async def answer(request, body=b""):
    communicator = ApplicationCommunicator(asgi.application, request)
    await communicator.send_input({"type": "http.request", "body": body, "more_body": False})
    start = await communicator.receive_output(10)
    parts = [await communicator.receive_output(10)]
    while parts[-1].get("more_body"):
        parts.append(await communicator.receive_output(10))
    await communicator.wait(10)
    return start["status"], b"".join(part.get("body", b"") for part in parts)


@pytest.fixture
async def served(layer):
    assert await bridge.ready(10)
    yield answer
    await bridge.stop()


@pytest.mark.parametrize("query", [b"", b"wait=1"])
async def test_both_doors_ask_who_is_there(served, query):
    status, body = await served(scope(URL, query=query))
    assert status == 401
    assert b'"status":"error"' in body.replace(b" ", b"")


@pytest.mark.parametrize(
    ("path", "status"), [("/health", 200), ("/api/nothing", 404), (f"{URL}/", 404)]
)
async def test_all_else_goes_to_django(served, path, status):
    assert (await served(scope(path)))[0] == status


async def test_a_foreign_host_is_refused(served):
    request = scope("/login")
    request["headers"] = [(b"host", b"evil.example")]
    assert (await served(request))[0] == 400
