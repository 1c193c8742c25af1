"""Errors on the wire, and what happens to what nobody foresaw."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

from simulator import aws_errors

from .harness import code_of


def test_messages_cannot_break_the_xml():
    told = aws_errors.write(service="ec2", code="A", message="<b> & </b>", status=400)
    assert b"&lt;b&gt; &amp; &lt;/b&gt;" in told.body


def test_json_services_get_json():
    told = aws_errors.write(service="sqs", code="A", message='say "hi"', status=400)
    assert json.loads(told.body) == {"__type": "A", "message": 'say "hi"'}


def test_what_moto_has_not_got_is_an_error_that_boto3_can_read(idle):
    with pytest.raises(ClientError) as error:
        idle.client("ec2").describe_spot_datafeed_subscription()
    assert code_of(error) == "UnsupportedOperation"


@pytest.mark.parametrize("body", [b"", b"Action=Nonsense&Version=2016-11-15", b"\xff\xfe"])
def test_nonsense_is_answered_and_the_server_lives_on(idle, body):
    scope = "20260101/us-east-1/ec2/aws4_request"
    request = urllib.request.Request(
        f"{idle.url}/",
        data=body,
        headers={
            "Authorization": f"AWS4-HMAC-SHA256 Credential=x/{scope}, SignedHeaders=h, Signature=s"
        },
    )
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=10)
    assert b"<html" not in error.value.read().lower()
    assert idle.client("ec2").describe_instances()["Reservations"] == []
