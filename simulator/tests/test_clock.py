"""Wall time and simulated time."""

from __future__ import annotations

import pytest

from simulator.clock import Clock, iso, precise


class Still(Clock):
    """A clock whose wall stands where it is put."""

    at = 1000.0

    def wall(self) -> float:
        return self.at


def test_runs_with_the_wall_until_advanced():
    clock = Still()
    assert clock.now() == 1000.0
    assert clock.simulated(5.0) == 5.0
    assert clock.wall_of(5.0) == 5.0


def test_a_jump_moves_what_comes_after_and_not_what_was():
    clock = Still()
    clock.advance(500)
    assert clock.now() == 1500.0
    assert clock.simulated(999.0) == 999.0
    clock.at = 1010.0
    assert clock.now() == 1510.0
    assert clock.advanced == 500


def test_what_a_jump_skipped_was_reached_at_the_jump():
    clock = Still()
    clock.advance(500)
    assert clock.wall_of(1200.0) == 1000.0
    assert clock.wall_of(1499.9) == 1000.0
    assert clock.wall_of(1501.0) == 1001.0
    assert clock.wall_of(900.0) == 900.0


def test_jumps_add_up():
    clock = Still()
    clock.advance(100)
    clock.at = 1050.0
    clock.advance(40)
    clock.at = 1060.0
    assert clock.now() == 1200.0
    assert clock.simulated(1049.0) == 1149.0
    assert clock.wall_of(1149.0) == 1049.0
    assert clock.wall_of(1160.0) == 1050.0
    assert clock.wall_of(1200.0) == 1060.0


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_time_only_goes_forward(seconds):
    clock = Still()
    with pytest.raises(ValueError, match="greater than zero"):
        clock.advance(seconds)
    assert clock.advanced == 0


def test_reset_forgets_jumps():
    clock = Still()
    clock.advance(100)
    clock.reset()
    assert clock.now() == 1000.0


def test_times_are_printed_in_utc():
    assert iso(0.9) == "1970-01-01T00:00:00Z"
    assert precise(1.25) == "1970-01-01T00:00:01.250Z"
