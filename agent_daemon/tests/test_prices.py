"""The current price, and reports of it."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from spotopt_agent.metadata import Metadata
from spotopt_agent.prices import RECHECK_SECONDS, PriceReports
from spotopt_agent.spot_prices import NotAllowed, PriceUnavailable, SpotPrices

from .support.http_fake import Answer
from .support.parts import IDENTITY

NOW = datetime(2025, 11, 21, 12, tzinfo=timezone.utc)


@pytest.fixture
def prices(metadata, ec2):
    metadata.give_role()
    return SpotPrices(metadata=Metadata(metadata.url), identity=IDENTITY, endpoint=ec2.url)


@pytest.fixture
def reports(parts, metadata, ec2):
    metadata.give_role()
    parts.session.register()
    return PriceReports(
        metadata=Metadata(metadata.url),
        identity=IDENTITY,
        endpoint=ec2.url,
        standing=parts.standing,
        registrar=parts.registrar,
        outbox=parts.outbox,
    )


def queued(parts) -> list[dict]:
    return [entry.body for entry in parts.outbox.head("price", 100)]


def test_what_is_asked(prices, ec2):
    assert prices.current(now=NOW) == Decimal("0.0125")
    assert ec2.parameters() == {
        "Action": "DescribeSpotPriceHistory",
        "Version": "2016-11-15",
        "InstanceType.1": "t3.medium",
        "AvailabilityZone": "us-east-1a",
        "ProductDescription.1": "Linux/UNIX",
        "StartTime": "2025-11-21T12:00:00Z",
        "EndTime": "2025-11-21T12:00:00Z",
    }
    headers = ec2.requests[-1].headers
    assert headers["authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/20251121/us-east-1/ec2/aws4_request"
    )
    assert headers["x-amz-security-token"] == "session"
    assert headers["host"] == f"127.0.0.1:{ec2.port}"  # as it was signed


def test_the_newest_of_our_zone_counts(prices, ec2):
    ec2.points = [
        ("us-east-1a", "0.0100", "2025-11-20T10:00:00.000Z"),
        ("us-east-1b", "0.0001", "2025-11-21T11:59:00.000Z"),
        ("us-east-1a", "0.0200", "2025-11-21T10:00:00.000Z"),
        ("us-east-1a", "0.0300", "2025-11-19T10:00:00.000Z"),
        ("us-east-1a", "a lot", "2025-11-21T11:00:00.000Z"),
    ]
    assert prices.current(now=NOW) == Decimal("0.0200")


@pytest.mark.parametrize(
    "points",
    [
        [],
        [("us-east-1b", "0.01", "2025-11-21T10:00:00Z")],
        [("us-east-1a", "0", "2025-11-21T10:00:00Z")],
        [("us-east-1a", "-1", "2025-11-21T10:00:00Z")],
        [("us-east-1a", "0.01", "yesterday")],
    ],
)
def test_no_price_is_none(prices, ec2, points):
    ec2.points = points
    with pytest.raises(PriceUnavailable):
        prices.current(now=NOW)


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        ((403, "UnauthorizedOperation"), NotAllowed),
        ((401, "AuthFailure"), NotAllowed),
        ((503, "RequestLimitExceeded"), PriceUnavailable),
        ((500, "InternalError"), PriceUnavailable),
    ],
)
def test_refusals(prices, ec2, refusal, error):
    ec2.refusal = refusal
    with pytest.raises(error, match=refusal[1]):
        prices.current(now=NOW)


def test_an_absent_ec2(prices, ec2):
    ec2.stop()
    with pytest.raises(PriceUnavailable):
        prices.current(now=NOW)


def test_an_answer_that_is_no_xml(prices, ec2):
    ec2.answer = lambda request: Answer(200, "<html")
    with pytest.raises(PriceUnavailable):
        prices.current(now=NOW)


def test_without_a_role_it_may_not_ask(prices, metadata, ec2):
    del metadata.items["iam/security-credentials/"]
    with pytest.raises(NotAllowed, match="no instance profile"):
        prices.current(now=NOW)
    assert ec2.requests == []


@pytest.mark.parametrize("credentials", [{}, {"Code": "Failed"}, {"AccessKeyId": "a"}])
def test_a_role_without_credentials(prices, metadata, credentials):
    metadata.items["iam/security-credentials/spotopt-agent"] = credentials
    with pytest.raises(NotAllowed, match="no credentials"):
        prices.current(now=NOW)


def test_an_absent_metadata_service_says_nothing_about_the_role(prices, metadata):
    metadata.failing = 500
    with pytest.raises(PriceUnavailable):
        prices.current(now=NOW)


def test_credentials_are_kept_until_shortly_before_their_end(prices, metadata):
    role = "iam/security-credentials/spotopt-agent"
    metadata.items[role]["Expiration"] = "2025-11-21T13:00:00Z"
    prices.current(now=NOW)
    prices.current(now=NOW + timedelta(minutes=54))
    assert len(metadata.seen("GET", role)) == 1
    prices.current(now=NOW + timedelta(minutes=56))
    assert len(metadata.seen("GET", role)) == 2


@pytest.mark.parametrize(
    ("region", "address"),
    [
        ("eu-west-1", "https://ec2.eu-west-1.amazonaws.com"),
        ("cn-north-1", "https://ec2.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_where_ec2_is(metadata, region, address):
    identity = type(IDENTITY)(**{**IDENTITY.__dict__, "region": region})
    prices = SpotPrices(metadata=Metadata(metadata.url), identity=identity)
    assert prices._endpoint.url == address


def test_a_report_is_queued(parts, reports):
    assert reports.step() == 3.0
    [report] = queued(parts)
    assert report["pool_id"] == "t3.medium.use1-az4"
    assert report["spot_price"] == 0.0125
    assert report["is_replica"] is False
    assert report["timestamp"].endswith("Z")


def test_a_standby_says_so(parts, reports):
    parts.registrar.update(role="standby")
    reports.step()
    assert queued(parts)[0]["is_replica"] is True


def test_without_an_id_of_the_zone_the_servers_pool_is_meant(parts, reports):
    reports._identity = type(IDENTITY)(**{**IDENTITY.__dict__, "az_id": None})
    parts.registrar.update(pool_id="told.by-server")
    reports.step()
    assert queued(parts)[0]["pool_id"] == "told.by-server"


def test_a_no_is_said_once_and_asked_again_in_an_hour(parts, reports, ec2, caplog):
    parts.standing.scale = 1.0
    ec2.refusal = (403, "UnauthorizedOperation")
    with caplog.at_level(logging.INFO, "spotopt_agent"):
        assert reports.step() == RECHECK_SECONDS
        assert reports.step() == RECHECK_SECONDS
    assert [r.message for r in caplog.records if "no price reports" in r.message] == [
        "no price reports from this machine: UnauthorizedOperation"
    ]
    ec2.refusal = None
    assert reports.step() == 300
    assert len(queued(parts)) == 1


def test_a_price_that_is_not_to_be_had_is_asked_for_next_time(parts, reports, ec2):
    ec2.refusal = (503, "RequestLimitExceeded")
    assert reports.step() == 3.0
    assert queued(parts) == []
