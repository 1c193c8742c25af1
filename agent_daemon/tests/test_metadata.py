"""The metadata service over one kept token."""

from __future__ import annotations

import threading

import pytest
from spotopt_agent.metadata import Metadata, MetadataError, Throttled

ITEM = "/latest/meta-data/instance-id"


class Time:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def puts(metadata) -> int:
    return len(metadata.seen("PUT", "/token"))


def test_one_token_serves_many_reads(metadata):
    client = Metadata(metadata.url)
    for _ in range(5):
        assert client.get(ITEM) == metadata.instance_id
    [put] = metadata.seen("PUT", "/token")
    assert put.headers["x-aws-ec2-metadata-token-ttl-seconds"] == "3600"
    assert metadata.connections == 1


def test_a_token_is_replaced_15_seconds_before_its_end(metadata):
    time = Time()
    client = Metadata(metadata.url, monotonic=time)
    client.get(ITEM)
    time.now += 3600 - 16
    client.get(ITEM)
    assert puts(metadata) == 1
    time.now += 2
    client.get(ITEM)
    assert puts(metadata) == 2


def test_a_forgotten_token_is_replaced_once(metadata):
    client = Metadata(metadata.url)
    client.get(ITEM)
    metadata.tokens.clear()
    assert client.get(ITEM) == metadata.instance_id
    assert puts(metadata) == 2


def test_401_twice_is_an_error_not_a_loop(metadata):
    client = Metadata(metadata.url)
    client.get(ITEM)
    before = len(metadata.requests)
    real = metadata.answer
    metadata.answer = lambda request: real(request)._replace(
        status=200 if request.method == "PUT" else 401
    )
    with pytest.raises(MetadataError, match="401"):
        client.get(ITEM)
    assert len(metadata.requests) - before == 3


def test_404_is_nothing(metadata):
    assert Metadata(metadata.url).get("/latest/meta-data/spot/instance-action") is None
    assert Metadata(metadata.url).get_json("/latest/meta-data/spot/instance-action") is None


def test_503_is_throttling(metadata):
    metadata.failing = 503
    with pytest.raises(Throttled):
        Metadata(metadata.url).get(ITEM)


@pytest.mark.parametrize("status", [400, 403, 500])
def test_other_answers_are_errors_with_the_status(metadata, status):
    metadata.failing = status
    with pytest.raises(MetadataError, match=str(status)) as caught:
        Metadata(metadata.url).get(ITEM)
    assert not isinstance(caught.value, Throttled)


def test_nobody_there(metadata):
    metadata.stop()
    with pytest.raises(MetadataError):
        Metadata(metadata.url).get(ITEM)


def test_json_items(metadata):
    metadata.notice("2025-11-21T12:00:00Z")
    client = Metadata(metadata.url)
    assert client.get_json("/latest/meta-data/spot/instance-action") == {
        "action": "terminate",
        "time": "2025-11-21T12:00:00Z",
    }


@pytest.mark.parametrize("text", ["", "terminate", "[1]", '"x"', "{", "null"])
def test_what_is_no_object_is_an_error(metadata, text):
    metadata.items["odd"] = text
    with pytest.raises(MetadataError, match="no JSON object"):
        Metadata(metadata.url).get_json("/latest/meta-data/odd")


def test_threads_share_the_token(metadata):
    client = Metadata(metadata.url)
    threads = [threading.Thread(target=client.get, args=(ITEM,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert puts(metadata) == 1
    assert len(metadata.seen("GET", "instance-id")) == 8


def test_threads_replace_a_forgotten_token_once(metadata):
    client = Metadata(metadata.url)
    client.get(ITEM)
    metadata.tokens.clear()
    ready = threading.Barrier(4)

    def read() -> None:
        ready.wait(5)
        client.get(ITEM)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert puts(metadata) == 2


def test_never_through_a_proxy(metadata, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert Metadata(metadata.url).get(ITEM) == metadata.instance_id
