from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from spotopt.cloud import errors, session
from spotopt.cloud.account import Account

REGION = "us-east-1"
ROLE = Account(role_arn="arn:aws:iam::210987654321:role/spotopt", external_id="e-1")


def test_a_client_is_made_once_per_account_service_and_region(aws):
    first = session.client(Account(), "ec2", REGION)
    assert session.client(Account(), "ec2", REGION) is first
    assert session.client(Account(), "ec2", "us-west-2") is not first
    assert session.client(ROLE, "ec2", REGION) is not first


def test_another_endpoint_is_another_client(aws, settings):
    first = session.client(Account(), "ec2", REGION)
    settings.AWS_ENDPOINT_URL = "http://127.0.0.1:9"
    assert session.client(Account(), "ec2", REGION) is not first


def test_limits_are_short_and_there_is_one_attempt(aws):
    config: Any = session.client(Account(), "ec2", REGION).meta.config
    assert (config.connect_timeout, config.read_timeout) == (2, 8)
    assert config.retries["total_max_attempts"] == 1


def test_long_polls_outlast_their_twenty_seconds(aws):
    config: Any = session.client(Account(), "sqs", REGION).meta.config
    assert config.read_timeout > 20


@pytest.mark.parametrize(
    "region", ["", "us-east-1.evil.example", "us-east-1/x", "US-EAST-1", "us east 1", "localhost"]
)
def test_a_region_that_is_none_reaches_no_host(aws, region):
    with pytest.raises(errors.PermanentError) as caught:
        session.client(Account(), "ec2", region)
    assert caught.value.code == "InvalidRegion"


def test_dummy_credentials_are_for_a_simulated_aws_alone(aws, settings, monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    session.account_number(Account())  # signed with something

    settings.AWS_ENDPOINT_URL = ""
    with pytest.raises(errors.PermanentError) as caught:
        session.account_number(Account())
    assert caught.value.code == "NoCredentialsError"


def test_credentials_that_are_there_are_used(aws, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDREAL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    client = session.client(Account(), "ec2", REGION)
    assert client._request_signer._credentials.access_key == "AKIDREAL"  # type: ignore[attr-defined]


def test_a_role_is_assumed_with_its_external_id(aws, monkeypatch):
    asked = []
    real = session._assume

    def counted(account, region):
        asked.append(account)
        return real(account, region)

    monkeypatch.setattr(session, "_assume", counted)
    identity = session.client(ROLE, "sts", REGION).get_caller_identity()
    assert identity["Account"] == "210987654321"
    assert "assumed-role/spotopt" in identity["Arn"]
    session.client(ROLE, "ec2", REGION).describe_regions()
    assert asked == [ROLE]  # and once for all of its clients


def test_the_external_id_goes_over_the_wire(script):
    script.refuse("AccessDenied", status=403)
    with pytest.raises(errors.PermanentError), errors.sorted_out():
        session.client(ROLE, "ec2", REGION).describe_regions()
    assert script.asked[0]["Action"] == "AssumeRole"
    assert script.asked[0]["ExternalId"] == "e-1"


def test_credentials_are_asked_again_before_they_expire(aws, monkeypatch):
    asked = []

    def short_lived(account, region):
        asked.append(account)
        end = datetime.now(UTC) + timedelta(minutes=5)
        return {
            "access_key": "A",
            "secret_key": "B",
            "token": "C",
            "expiry_time": end.isoformat(),
        }

    monkeypatch.setattr(session, "_assume", short_lived)
    ec2 = session.client(ROLE, "ec2", REGION)
    ec2.describe_regions()
    before = len(asked)
    ec2.describe_regions()
    assert len(asked) > before


def test_a_role_that_is_refused_is_permanent_and_says_so(script):
    script.refuse("AccessDenied", "not for you", 403)
    with pytest.raises(errors.PermanentError) as caught, errors.sorted_out():
        session.client(ROLE, "ec2", REGION).describe_regions()
    assert caught.value.message == "not for you"


def test_the_account_number_is_asked_once_at_most(aws, monkeypatch):
    assert session.account_number(Account(number="111122223333")) == "111122223333"
    assert session.account_number(ROLE) == "210987654321"
    assert session.account_number(Account()) == "123456789012"

    def never(*args):
        raise AssertionError("asked again")

    monkeypatch.setattr(session, "client", never)
    assert session.account_number(Account()) == "123456789012"
