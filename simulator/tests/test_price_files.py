"""Spot prices replayed from a file."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from simulator.price_files import BadPriceFile, Replay
from simulator.price_points import Pool

DAY = 86_400.0
NOW = 1_790_000_000.0
POOL = Pool("m5.large", "us-east-1a", "use1-az6", "us-east-1")
OTHER = Pool("c5.large", "us-east-1a", "use1-az6", "us-east-1")
HEAD = "Timestamp,AvailabilityZone,InstanceType,ProductDescription,SpotPrice\n"
RECORDED = Path(__file__).resolve().parents[3] / "shared" / "data" / "prices"


def written(folder: Path, days: int, *, zone: str = "us-east-1a") -> Path:
    """A row a day at noon, the price a tenth of a cent dearer each day."""
    begin = datetime(2021, 3, 1, 12, tzinfo=UTC)
    rows = [
        f"{begin + timedelta(days=n):%Y-%m-%dT%H:%M:%SZ},{zone},m5.large,Linux/UNIX,{0.03 + n / 1000:.4f}\n"
        for n in range(days + 1)
    ]
    file = folder / "prices.csv"
    file.write_text(HEAD + "".join(rows))
    return file


def test_a_long_file_leaves_a_week_ahead_and_the_rest_behind(tmp_path):
    replay = Replay(written(tmp_path, 60), now=NOW)
    behind = replay.points(POOL, NOW - 90 * DAY, NOW)
    assert len(behind) == 54  # days 0 to 53
    assert behind[-1].at == NOW
    assert behind[-1].price == pytest.approx(0.083)
    ahead = replay.points(POOL, NOW + 1, NOW + 7 * DAY - 1)
    assert len(ahead) == 7  # the one in force, and six to come


@pytest.mark.parametrize(("days", "past"), [(37, 30), (33, 30), (30, 27), (10, 9)])
def test_shorter_files_keep_thirty_days_behind_if_they_have_them(tmp_path, days, past):
    replay = Replay(written(tmp_path, days), now=NOW)
    behind = replay.points(POOL, NOW - 90 * DAY, NOW)
    assert (NOW - behind[0].at) / DAY == pytest.approx(past, abs=0.01)


def test_the_point_in_force_comes_first_and_the_window_is_kept(tmp_path):
    replay = Replay(written(tmp_path, 60), now=NOW)
    points = replay.points(POOL, NOW - 2.5 * DAY, NOW - 0.5 * DAY)
    assert [round((p.at - NOW) / DAY, 3) for p in points] == [-3, -2, -1]
    assert points[0] == replay.current(POOL, NOW - 2.5 * DAY)


def test_nothing_before_the_file_begins_but_a_price_for_bills(tmp_path):
    replay = Replay(written(tmp_path, 60), now=NOW)
    assert replay.points(POOL, NOW - 80 * DAY, NOW - 70 * DAY) == []
    assert replay.current(POOL, NOW - 80 * DAY).price == pytest.approx(0.03)


def test_after_its_end_the_file_begins_again(tmp_path):
    replay = Replay(written(tmp_path, 60), now=NOW)
    assert replay.current(POOL, NOW + 6.9 * DAY).price == pytest.approx(0.089)
    assert replay.current(POOL, NOW + 8.5 * DAY).price == pytest.approx(0.031)
    later = replay.points(POOL, NOW + 60 * DAY, NOW + 70 * DAY)
    assert [p.at for p in later] == sorted(p.at for p in later)
    assert len(later) >= 11


def test_zones_may_be_given_by_id(tmp_path):
    replay = Replay(written(tmp_path, 40, zone="use1-az6"), now=NOW)
    assert replay.knows(POOL)
    assert replay.instance_types("us-east-1") == {"m5.large"}
    assert replay.instance_types("eu-west-1") == set()


def test_it_knows_only_the_pools_that_it_holds(tmp_path):
    replay = Replay(written(tmp_path, 40), now=NOW)
    assert not replay.knows(OTHER)
    assert not replay.knows(Pool("m5.large", "us-east-1b", "use1-az1", "us-east-1"))


def test_gzipped_files_are_read(tmp_path):
    packed = tmp_path / "prices.csv.gz"
    packed.write_bytes(gzip.compress(written(tmp_path, 40).read_bytes()))
    assert Replay(packed, now=NOW).knows(POOL)


@pytest.mark.parametrize(
    "row",
    [
        "yesterday,us-east-1a,m5.large,Linux/UNIX,0.03\n",
        "2021-03-01T00:00:00Z,us-east-1a,m5.large,Linux/UNIX,cheap\n",
        "2021-03-01T00:00:00Z,us-east-1a\n",
    ],
)
def test_a_bad_row_is_named(tmp_path, row):
    file = tmp_path / "prices.csv"
    good = "2021-03-01T00:00:00Z,us-east-1a,m5.large,Linux/UNIX,0.03\n"
    file.write_text(HEAD + good + row)
    with pytest.raises(BadPriceFile, match="line 3"):
        Replay(file, now=NOW)


def test_a_file_without_linux_prices_is_refused(tmp_path):
    file = tmp_path / "prices.csv"
    file.write_text(HEAD + "2021-03-01T00:00:00Z,us-east-1a,m5.large,Windows,0.03\n")
    with pytest.raises(BadPriceFile, match="no Linux prices"):
        Replay(file, now=NOW)


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded prices are not beside the project")
def test_recorded_prices_are_replayed():
    file = next(RECORDED.glob("us-east-1_2021-03-02*"))
    replay = Replay(file, now=NOW)
    pool = Pool("c5.12xlarge", "us-east-1a", "use1-az6", "us-east-1")
    points = replay.points(pool, NOW - 30 * DAY, NOW)
    assert len(points) > 30
    assert replay.ahead == pytest.approx(7 * DAY)
    assert all(0.5 < p.price < 2.04 for p in points)
