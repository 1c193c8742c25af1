"""The server's answers sorted, and its addresses tried in turn."""

from __future__ import annotations

import pytest
from spotopt_agent import __version__
from spotopt_agent.server import (
    Over,
    Refused,
    Released,
    Server,
    Superseded,
    Unauthorised,
    Unreachable,
)

from .support.http_fake import Answer, HttpFake

NOWHERE = "http://127.0.0.1:9"


class Scripted(HttpFake):
    """Gives the same answer to everybody."""

    def __init__(self) -> None:
        self.reply = Answer(200, {"status": "success"})
        super().__init__()

    def answer(self, request):
        return self.reply


@pytest.fixture
def scripted():
    fake = Scripted()
    yield fake
    fake.stop()


@pytest.fixture
def other():
    fake = Scripted()
    yield fake
    fake.stop()


def call(*urls: str):
    return Server(urls).call("POST", "/api/x", token="t", body={"a": 1})


def test_what_is_sent(scripted):
    assert call(scripted.url) == {"status": "success"}
    [request] = scripted.requests
    assert request.path == "/api/x"
    assert request.body == {"a": 1}
    assert request.headers["authorization"] == "Bearer t"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == f"spotopt-agent/{__version__}"


def test_without_token_or_body_there_is_neither(scripted):
    Server([scripted.url]).call("GET", "/health", token=None)
    [request] = scripted.requests
    assert "authorization" not in request.headers
    assert "content-type" not in request.headers
    assert request.raw == b""


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "", Refused),
        (403, "", Refused),
        (404, "", Refused),
        (409, "conflict", Refused),
        (409, "superseded", Superseded),
        (409, "released", Released),
        (401, "", Unauthorised),
        (401, "superseded", Unauthorised),
        (422, "", Refused),
        (408, "", Unreachable),
        (429, "", Unreachable),
        (500, "", Unreachable),
        (502, "", Unreachable),
        (503, "", Unreachable),
        (504, "", Unreachable),
    ],
)
def test_answers_by_class(scripted, status, code, error):
    scripted.reply = Answer(status, {"status": "error", "message": "because", "code": code})
    with pytest.raises(error, match="because") as caught:
        call(scripted.url)
    assert type(caught.value) is error
    if isinstance(caught.value, Refused):
        assert caught.value.status == status
        assert caught.value.code == code


def test_both_ends_are_over():
    assert issubclass(Superseded, Over)
    assert issubclass(Released, Over)
    assert not issubclass(Unauthorised, Over)


@pytest.mark.parametrize("body", ["", "<html>Bad gateway</html>", "[]", '{"detail": 1}'])
def test_errors_need_no_body(scripted, body):
    scripted.reply = Answer(502, body)
    with pytest.raises(Unreachable, match="502"):
        call(scripted.url)
    scripted.reply = Answer(409, body)
    with pytest.raises(Refused, match="409"):
        call(scripted.url)


@pytest.mark.parametrize("body", ["<html>login</html>", "[]", '"ok"', "{"])
def test_a_success_that_is_no_json_object_is_none(scripted, body):
    # A captive portal, or a proxy's page: nobody took what was sent.
    scripted.reply = Answer(200, body)
    with pytest.raises(Unreachable, match="other than a JSON object"):
        call(scripted.url)


def test_an_empty_success_is_one(scripted):
    scripted.reply = Answer(204, "")
    assert call(scripted.url) == {}


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("100000", 300.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("-1", None),
        (None, None),
    ],
)
def test_retry_after(scripted, header, seconds):
    headers = {} if header is None else {"Retry-After": header}
    scripted.reply = Answer(503, {"message": "later"}, headers)
    with pytest.raises(Unreachable) as caught:
        call(scripted.url)
    assert caught.value.retry_after == seconds


def test_the_next_address_is_tried_when_nobody_answers(scripted):
    server = Server([NOWHERE, scripted.url])
    for _ in range(3):
        assert server.call("GET", "/x", token=None) == {"status": "success"}
    assert len(scripted.requests) == 3


def test_an_address_that_answers_is_stayed_with(scripted, other):
    server = Server([scripted.url, other.url])
    scripted.stop()
    server.call("GET", "/1", token=None)
    scripted.start()
    server.call("GET", "/2", token=None)
    assert [request.path for request in other.requests] == ["/1", "/2"]
    assert scripted.requests == []


def test_the_next_address_is_tried_when_one_is_unwell(scripted, other):
    scripted.reply = Answer(503, {"message": "later"})
    assert call(scripted.url, other.url) == {"status": "success"}


def test_a_no_is_not_asked_for_twice(scripted, other):
    scripted.reply = Answer(403, {"message": "no"})
    with pytest.raises(Refused):
        call(scripted.url, other.url)
    assert other.requests == []


def test_when_all_fail_the_last_failure_is_told(scripted):
    scripted.reply = Answer(503, {"message": "tired"}, {"Retry-After": "9"})
    with pytest.raises(Unreachable, match="tired") as caught:
        call(NOWHERE, scripted.url)
    assert caught.value.retry_after == 9


def test_closed_it_sends_nothing(scripted):
    server = Server([scripted.url])
    server.close()
    with pytest.raises(Unreachable):
        server.call("GET", "/x", token=None)
    assert scripted.requests == []
