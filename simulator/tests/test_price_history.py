"""Mend: DescribeSpotPriceHistory answers as EC2 does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from simulator import ondemand

from .harness import Sim, code_of

HEAD = "Timestamp,AvailabilityZone,InstanceType,ProductDescription,SpotPrice\n"


@pytest.fixture
def ec2(idle):
    return idle.client("ec2")


def ask(ec2, **arguments):
    arguments.setdefault("InstanceTypes", ["m5.large"])
    return ec2.describe_spot_price_history(**arguments)["SpotPriceHistory"]


def now() -> datetime:
    return datetime.now(UTC)


def test_start_now_tells_the_present_price_of_each_zone(ec2):
    rows = ask(ec2, StartTime=now())
    assert {row["AvailabilityZone"] for row in rows} == {f"us-east-1{z}" for z in "abcdef"}
    assert len(rows) == 6
    for row in rows:
        assert row["AvailabilityZoneId"].startswith("use1-az")
        assert row["ProductDescription"] == "Linux/UNIX"
        assert 0 < float(row["SpotPrice"]) < ondemand.price("m5.large", "us-east-1")
        assert row["Timestamp"] <= now()


def test_a_window_holds_its_changes_and_the_one_before(ec2):
    start, end = now() - timedelta(days=5), now() - timedelta(days=2)
    rows = ask(ec2, StartTime=start, EndTime=end, AvailabilityZone="us-east-1a")
    times = [row["Timestamp"] for row in rows]
    assert times == sorted(times, reverse=True)
    assert sum(at <= start for at in times) == 1
    assert all(at <= end for at in times)
    assert len(times) >= 4


def test_the_same_question_has_the_same_answer(ec2):
    window = {"StartTime": now() - timedelta(days=9), "EndTime": now() - timedelta(days=1)}
    assert ask(ec2, **window) == ask(ec2, **window)


def test_nothing_is_told_ahead_of_time(ec2):
    rows = ask(ec2, StartTime=now() - timedelta(days=1), EndTime=now() + timedelta(days=9))
    assert all(row["Timestamp"] <= now() for row in rows)
    assert ask(ec2, StartTime=now() + timedelta(days=1))  # a clock ahead of ours gets today's


def test_no_more_than_ninety_days(ec2):
    rows = ask(ec2, StartTime=now() - timedelta(days=400), AvailabilityZone="us-east-1a")
    before = now() - timedelta(days=90)
    assert sum(row["Timestamp"] < before for row in rows) == 1


def test_pages_hold_everything_once(ec2):
    window = {"StartTime": now() - timedelta(days=20), "EndTime": now()}
    whole = ask(ec2, **window)
    assert 300 < len(whole) < 1000
    pages = ec2.get_paginator("describe_spot_price_history").paginate(
        InstanceTypes=["m5.large"], **window, PaginationConfig={"PageSize": 37}
    )
    sizes, rows = [], []
    for page in pages:
        sizes.append(len(page["SpotPriceHistory"]))
        rows += page["SpotPriceHistory"]
    assert rows == whole
    assert set(sizes[:-1]) == {37}


def test_one_page_holds_at_most_a_thousand(ec2):
    answer = ec2.describe_spot_price_history(StartTime=now())
    assert len(answer["SpotPriceHistory"]) == 1000
    assert answer["NextToken"]


def test_any_type_has_a_price_even_one_nobody_sells(ec2):
    for kind in ("p3.2xlarge", "u-6tb1.metal", "zz9.large"):
        assert ask(ec2, InstanceTypes=[kind], StartTime=now())


@pytest.mark.parametrize(
    ("arguments", "zones"),
    [
        ({"AvailabilityZone": "us-east-1b"}, {"us-east-1b"}),
        ({"AvailabilityZoneId": "use1-az6"}, {"us-east-1a"}),
        ({"Filters": [{"Name": "availability-zone", "Values": ["us-east-1c"]}]}, {"us-east-1c"}),
        ({"Filters": [{"Name": "availability-zone-id", "Values": ["use1-az6"]}]}, {"us-east-1a"}),
    ],
)  # fmt: skip
def test_by_zone(ec2, arguments, zones):
    rows = ask(ec2, StartTime=now(), **arguments)
    assert {row["AvailabilityZone"] for row in rows} == zones


def test_by_type_with_a_filter(ec2):
    named = [{"Name": "instance-type", "Values": ["c5.large", "r5.large"]}]
    rows = ec2.describe_spot_price_history(StartTime=now(), Filters=named)["SpotPriceHistory"]
    assert {row["InstanceType"] for row in rows} == {"c5.large", "r5.large"}
    pattern = [{"Name": "instance-type", "Values": ["t3.*"]}]
    rows = ec2.describe_spot_price_history(StartTime=now(), Filters=pattern)["SpotPriceHistory"]
    assert {row["InstanceType"].split(".")[0] for row in rows} == {"t3"}
    assert len(rows) == 7 * 6


def test_by_product(ec2):
    classic = ask(ec2, StartTime=now(), ProductDescriptions=["Linux/UNIX"])
    vpc = ask(ec2, StartTime=now(), ProductDescriptions=["Linux/UNIX (Amazon VPC)"])
    assert {row["ProductDescription"] for row in vpc} == {"Linux/UNIX (Amazon VPC)"}
    assert [row["SpotPrice"] for row in vpc] == [row["SpotPrice"] for row in classic]
    assert ask(ec2, StartTime=now(), ProductDescriptions=["Windows"]) == []
    named = [{"Name": "product-description", "Values": ["Linux/UNIX"]}]
    assert ask(ec2, StartTime=now(), Filters=named) == classic


@pytest.mark.parametrize(
    "wrong",
    [
        {"AvailabilityZone": "us-west-2a"},
        {"NextToken": "nonsense"},
        {"Filters": [{"Name": "colour", "Values": ["red"]}]},
    ],
)
def test_nonsense_is_refused(ec2, wrong):
    with pytest.raises(ClientError) as error:
        ask(ec2, **wrong)
    assert code_of(error) == "InvalidParameterValue"


def test_prices_move_on_with_the_clock_and_the_past_stays(idle, ec2):
    window = {"StartTime": now() - timedelta(days=3), "EndTime": now()}
    before = ask(ec2, InstanceTypes=["p3.2xlarge"], **window)
    idle.ask("POST", "advance", {"seconds": 10 * 86_400})
    assert ask(ec2, InstanceTypes=["p3.2xlarge"], **window) == before
    present = ask(ec2, InstanceTypes=["p3.2xlarge"], StartTime=now())
    old = {row["AvailabilityZone"]: row["SpotPrice"] for row in reversed(before)}
    assert any(row["SpotPrice"] != old[row["AvailabilityZone"]] for row in present)
    assert all(row["Timestamp"] <= now() for row in present)


def test_a_price_file_is_replayed_and_the_rest_is_generated(tmp_path):
    begin = datetime(2021, 3, 1, tzinfo=UTC)
    rows = [
        f"{begin + timedelta(days=n):%FT%TZ},use1-az6,m5.large,Linux/UNIX,{0.01 + n / 10_000:.4f}\n"
        for n in range(61)
    ]
    file = tmp_path / "prices.csv"
    file.write_text(HEAD + "".join(rows))
    sim = Sim("--no-agents", "--prices", str(file))
    try:
        ec2 = sim.client("ec2")
        told = ask(ec2, StartTime=now() - timedelta(days=30), AvailabilityZone="us-east-1a")
        assert len(told) == 31
        assert [row["SpotPrice"] for row in told[:2]] == ["0.015300", "0.015200"]
        assert ask(ec2, InstanceTypes=["c5.large"], StartTime=now())
        # Without a type asked for, the types of the file are told.
        rows = ec2.describe_spot_price_history(StartTime=now())["SpotPriceHistory"]
        assert {row["InstanceType"] for row in rows} == {"m5.large"}
    finally:
        sim.stop()
