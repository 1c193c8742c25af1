"""Accounts are worlds of their own, entered by assuming a role."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from .harness import code_of


def test_any_credentials_are_the_home_account(idle):
    for key in ("any", "AKIAIOSFODNN7EXAMPLE"):
        sts = idle.client("sts", aws_access_key_id=key, aws_secret_access_key="x")
        assert sts.get_caller_identity()["Account"] == "123456789012"


def test_an_assumed_role_lives_in_its_account(idle):
    keys = idle.as_account("222222222222")
    assert idle.client("sts", **keys).get_caller_identity()["Account"] == "222222222222"
    theirs, ours = idle.client("ec2", **keys), idle.client("ec2")
    one = idle.launch(ec2=theirs)
    assert idle.instance(one)["account"] == "222222222222"
    assert ours.describe_instances()["Reservations"] == []
    with pytest.raises(ClientError) as error:
        ours.terminate_instances(InstanceIds=[one])
    assert code_of(error) == "InvalidInstanceID.NotFound"
    assert len(theirs.describe_subnets()["Subnets"]) == 6
    assert theirs.describe_images(ImageIds=["ami-simulated00000000"])["Images"]


def test_a_fault_can_be_one_accounts_alone(idle):
    theirs = idle.client("ec2", **idle.as_account("222222222222"))
    idle.fault(kind="quota", account="222222222222")
    with pytest.raises(ClientError):
        idle.launch(ec2=theirs)
    assert idle.launch()
