"""Delivery of the queue."""

from __future__ import annotations

import pytest
from spotopt_agent import clock
from spotopt_agent.delivery import Delivery
from spotopt_agent.outbox import EVENT, PRICE
from spotopt_agent.server import Refused, Superseded, Unreachable

from .support.http_fake import Answer
from .support.parts import INSTANCE_ID


@pytest.fixture
def delivery(parts):
    parts.session.register()
    return Delivery(session=parts.session, outbox=parts.outbox)


def add_events(parts, count: int, *, poison: tuple[int, ...] = ()) -> None:
    for n in range(count):
        parts.outbox.add(
            EVENT,
            f"e-{n}",
            {
                "event_id": f"e-{n}",
                "kind": "poison" if n in poison else "workload_started",
                "at": "2025-11-21T12:00:00Z",
                "data": {},
            },
            now=clock.now(),
        )


def add_prices(parts, count: int) -> None:
    for n in range(count):
        moment = f"2025-11-21T12:{n // 60 % 60:02}:{n % 60:02}Z"
        parts.outbox.add(
            PRICE, f"p-{n}", {"pool_id": "p", "timestamp": moment, "spot_price": 1}, now=clock.now()
        )


def delivered(server) -> list[str]:
    return [event["event_id"] for event in server.events]


def test_everything_in_order_and_in_batches(parts, server, delivery):
    add_events(parts, 1201)
    delivery.step()
    assert delivered(server) == [f"e-{n}" for n in range(1201)]
    assert server.batches == [500, 500, 201]
    assert parts.outbox.count() == 0


def test_prices_go_their_own_way(parts, server, delivery):
    add_prices(parts, 1001)
    add_events(parts, 1)
    delivery.step()
    assert len(server.reports) == 1001
    sizes = [len(r.body["reports"]) for r in server.seen("POST", "/pricing-report")]
    assert sizes == [1000, 1]


def test_an_empty_queue_says_nothing(server, delivery):
    assert delivery.step() > 60
    assert len(server.requests) == 1


def test_what_is_not_taken_stays(parts, server, delivery):
    add_events(parts, 3)
    server.fail("POST", "/events", Answer(503, {"message": "later"}))
    with pytest.raises(Unreachable):
        delivery.step()
    assert parts.outbox.count() == 3
    delivery.step()
    assert delivered(server) == ["e-0", "e-1", "e-2"]


def test_a_lost_answer_doubles_nothing(parts, server, delivery):
    add_events(parts, 3)
    # Twice: the first is repeated on a new connection, the second comes back as a failure.
    server.lost += [("POST", "/events"), ("POST", "/events")]
    with pytest.raises(Unreachable):
        delivery.step()
    delivery.step()
    assert len(server.batches) == 3
    assert delivered(server) == ["e-0", "e-1", "e-2"]


@pytest.mark.parametrize("poison", [(0,), (9,), (4, 5), (1, 3, 8), tuple(range(10))])
def test_poison_is_found_and_dropped_and_the_rest_goes_in_order(parts, server, delivery, poison):
    add_events(parts, 10, poison=poison)
    delivery.step()
    assert delivered(server) == [f"e-{n}" for n in range(10) if n not in poison]
    assert parts.outbox.count() == 0


@pytest.mark.parametrize("status", [413, 422])
def test_too_much_at_once_is_halved(parts, server, delivery, status):
    add_events(parts, 4)
    server.fail("POST", "/events", Answer(status, {"message": "no"}))
    delivery.step()
    assert server.batches == [2, 2]


def test_a_no_of_another_kind_drops_nothing(parts, server, delivery):
    add_events(parts, 2)
    server.fail("POST", "/events", Answer(404, {"message": "no"}))
    with pytest.raises(Refused):
        delivery.step()
    assert parts.outbox.count() == 2


def test_one_kind_does_not_hold_up_the_other(parts, server, delivery):
    add_events(parts, 1)
    add_prices(parts, 1)
    server.fail("POST", "/events", Answer(404, {"message": "no"}))
    with pytest.raises(Refused):
        delivery.step()
    assert len(server.reports) == 1


def test_superseded_it_stops_at_once(parts, server, delivery):
    add_events(parts, 1)
    add_prices(parts, 1)
    server.supersede(INSTANCE_ID)
    with pytest.raises(Superseded):
        delivery.step()
    assert server.seen("POST", "/pricing-report") == []
    assert parts.outbox.count() == 2
