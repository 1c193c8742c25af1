"""Things due later."""

from __future__ import annotations

import threading
import time

import pytest

from simulator.scheduler import Scheduler


@pytest.fixture
def scheduler():
    made = Scheduler()
    made.start()
    yield made
    made.close()


def test_runs_in_the_order_of_their_times(scheduler):
    seen: list[str] = []
    done = threading.Event()
    scheduler.after(0.1, done.set)
    scheduler.after(0.06, lambda: seen.append("later"))
    scheduler.after(0.02, lambda: seen.append("sooner"))
    assert done.wait(10)
    assert seen == ["sooner", "later"]


def test_one_that_fails_stops_no_other(scheduler, capsys):
    done = threading.Event()
    scheduler.after(0, lambda: 1 / 0)
    scheduler.after(0.01, done.set)
    assert done.wait(10)
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_cleared_ones_never_run(scheduler):
    seen: list[int] = []
    done = threading.Event()
    scheduler.after(0.05, lambda: seen.append(1))
    scheduler.clear()
    scheduler.after(0.1, done.set)
    assert done.wait(10)
    assert seen == []


def test_nothing_runs_before_its_time(scheduler):
    ran_at: list[float] = []
    done = threading.Event()
    due = time.time() + 0.1
    scheduler.at(due, lambda: ran_at.append(time.time()))
    scheduler.at(due, done.set)
    assert done.wait(10)
    assert ran_at[0] >= due
