"""How the agent comes to an end."""

from __future__ import annotations

import threading

from spotopt_agent.stopping import METADATA_BROKEN, Stop


def test_the_first_reason_stands():
    stop = Stop()
    stop.request(METADATA_BROKEN)
    stop.request()
    assert stop.event.is_set()
    assert stop.wait() == METADATA_BROKEN


def test_any_thread_wakes_the_main_one():
    stop = Stop()
    threading.Timer(0.05, stop.request).start()
    assert stop.wait() == 0


def test_a_pause_says_whether_it_is_over():
    stop = Stop()
    assert stop.pause(0.01) is False
    stop.request()
    assert stop.pause(1000) is True


def test_asked_for_very_often_it_does_not_block():
    stop = Stop()
    for _ in range(100_000):
        stop.request()
    assert stop.wait() == 0
