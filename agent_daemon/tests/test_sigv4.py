"""Signature Version 4."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from spotopt_agent import sigv4
from spotopt_agent.sigv4 import Credentials

NOW = datetime(2015, 8, 30, 12, 36, 0, tzinfo=timezone.utc)


def credentials(token: str = "") -> Credentials:
    # The ones of AWS's published test suite for this signature.
    return Credentials(
        "AKIDEXAMPLE",
        "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        token,
        NOW + timedelta(hours=1),
    )


def sign(**changes) -> dict[str, str]:
    options = {
        "credentials": credentials(),
        "service": "service",
        "region": "us-east-1",
        "host": "example.amazonaws.com",
        "path": "/",
        "body": b"Param1=value1",
        "content_type": "application/x-www-form-urlencoded",
        "now": NOW,
        **changes,
    }
    return sigv4.headers(**options)


def test_the_published_vector():
    # post-x-www-form-urlencoded of the AWS Signature Version 4 test suite.
    assert sign()["authorization"] == (
        "AWS4-HMAC-SHA256 "
        "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
    )


def test_what_is_signed_is_sent():
    headers = sign()
    assert headers["x-amz-date"] == "20150830T123600Z"
    assert headers["host"] == "example.amazonaws.com"
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert "x-amz-security-token" not in headers


def test_a_session_token_is_signed_too():
    headers = sign(credentials=credentials("session"))
    assert headers["x-amz-security-token"] == "session"
    assert "host;x-amz-date;x-amz-security-token" in headers["authorization"]


@pytest.mark.parametrize(
    "change",
    [
        {"body": b"Param1=value2"},
        {"region": "eu-west-1"},
        {"service": "ec2"},
        {"host": "other.amazonaws.com"},
        {"path": "/x"},
        {"now": NOW + timedelta(seconds=1)},
        {"credentials": credentials("session")},
    ],
)
def test_everything_counts(change):
    assert sign(**change)["authorization"] != sign()["authorization"]


def test_credentials_do_not_show_their_secret():
    assert "wJalr" not in repr(credentials())
    assert "session" not in repr(credentials("session"))
