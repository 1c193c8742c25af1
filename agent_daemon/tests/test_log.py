"""Log lines."""

from __future__ import annotations

import io
import json
import logging

import pytest
from spotopt_agent import log


@pytest.fixture
def stream():
    stream = io.StringIO()
    log.configure("info", stream)
    yield stream
    logger = logging.getLogger("spotopt_agent")
    logger.handlers[:] = []
    logger.propagate = True
    logger.setLevel(logging.NOTSET)


def lines(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_an_object_with_its_fields(stream):
    logging.getLogger("spotopt_agent.x").warning(
        "%s beats", "many", extra=log.fields(agent_id="a", odd=object)
    )
    [line] = lines(stream)
    assert line["level"] == "warning"
    assert line["logger"] == "spotopt_agent.x"
    assert line["message"] == "many beats"
    assert line["agent_id"] == "a"
    assert line["time"].endswith("Z")
    assert "object" in line["odd"]


def test_an_exception_stays_on_its_line(stream):
    try:
        int("broken")
    except ValueError:
        logging.getLogger("spotopt_agent").exception("failed")
    [line] = lines(stream)
    assert "ValueError: invalid literal" in line["exception"]
    assert "\n" in line["exception"]


def test_the_level_holds_and_others_logs_are_left_alone(stream):
    logging.getLogger("spotopt_agent.x").debug("too fine")
    logging.getLogger("somebody.else").error("not ours")
    assert lines(stream) == []


def test_configured_twice_it_logs_once(stream):
    log.configure("info", stream)
    logging.getLogger("spotopt_agent").info("once")
    assert len(lines(stream)) == 1
