"""The metadata service of each machine."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from botocore.utils import InstanceMetadataFetcher

from .harness import eventually

TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"


@pytest.fixture
def machine(idle):
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "role", "Value": "web"}]}]
    one = idle.launch("#!/bin/sh\necho hi\n", TagSpecifications=tags)
    return idle.instance(one)


def test_a_token_is_needed(idle, machine):
    ip = machine["private_ip"]
    assert idle.metadata(ip, "/latest/meta-data/instance-id")[0] == 401
    wrong = {TOKEN: "made up"}
    assert idle.metadata(ip, "/latest/meta-data/instance-id", headers=wrong)[0] == 401
    assert idle.item(ip, "/latest/meta-data/instance-id") == (200, machine["id"])


@pytest.mark.parametrize("ttl", [None, "0", "21601", "x"])
def test_a_bad_ttl_is_refused(idle, machine, ttl):
    headers = {} if ttl is None else {TTL: ttl}
    ip = machine["private_ip"]
    assert idle.metadata(ip, "/latest/api/token", method="PUT", headers=headers)[0] == 400


def test_a_token_expires(idle, machine):
    ip = machine["private_ip"]
    _, token = idle.metadata(ip, "/latest/api/token", method="PUT", headers={TTL: "1"})
    path, headers = "/latest/meta-data/instance-id", {TOKEN: token}
    assert idle.metadata(ip, path, headers=headers)[0] == 200
    eventually(lambda: idle.metadata(ip, path, headers=headers)[0] == 401)


def test_a_token_of_another_machine_is_refused(idle, machine):
    other = idle.instance(idle.launch())
    token = idle.metadata_token(other["private_ip"])
    answer = idle.metadata(
        machine["private_ip"], "/latest/meta-data/instance-id", headers={TOKEN: token}
    )
    assert answer[0] == 401


def test_never_through_a_proxy(idle, machine):
    headers = {TTL: "60", "X-Forwarded-For": "10.0.0.1"}
    ip = machine["private_ip"]
    assert idle.metadata(ip, "/latest/api/token", method="PUT", headers=headers)[0] == 403


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("instance-id", "id"),
        ("instance-type", "type"),
        ("instance-life-cycle", "mode"),
        ("local-ipv4", "private_ip"),
        ("ami-id", "image_id"),
        ("placement/availability-zone", "az"),
        ("placement/availability-zone-id", "az_id"),
        ("placement/region", "region"),
    ],
)
def test_who_and_where_it_is(idle, machine, path, key):
    status, text = idle.item(machine["private_ip"], f"/latest/meta-data/{path}")
    assert (status, text) == (200, machine[key])


def test_the_identity_document_and_its_signatures(idle, machine):
    ip = machine["private_ip"]
    document = json.loads(idle.item(ip, "/latest/dynamic/instance-identity/document")[1])
    assert document["instanceId"] == machine["id"]
    assert document["accountId"] == machine["account"]
    assert document["region"] == "us-east-1"
    assert document["privateIp"] == ip
    for kind in ("pkcs7", "signature", "rsa2048"):
        status, text = idle.item(ip, f"/latest/dynamic/instance-identity/{kind}")
        assert status == 200
        assert len(text) > 64


def test_listings_hostname_user_data_and_tags(idle, machine):
    ip = machine["private_ip"]
    names = idle.item(ip, "/latest/meta-data/")[1].split("\n")
    assert {"instance-id", "placement/", "iam/", "tags/"} <= set(names)
    assert "spot/" not in names
    assert idle.item(ip, "/latest/meta-data/hostname")[1].endswith(".ec2.internal")
    assert idle.item(ip, "/latest/user-data") == (200, "#!/bin/sh\necho hi\n")
    assert idle.item(ip, "/latest/meta-data/tags/instance/role") == (200, "web")


@pytest.mark.parametrize(
    "path",
    [
        "meta-data/spot/instance-action",
        "meta-data/spot/termination-time",
        "meta-data/events/recommendations/rebalance",
        "meta-data/nothing",
    ],
)
def test_no_signal_is_404(idle, machine, path):
    assert idle.item(machine["private_ip"], f"/latest/{path}")[0] == 404


def test_credentials_belong_to_the_account_of_the_machine(idle):
    other = idle.client("ec2", **idle.as_account("333333333333"))
    machine = idle.instance(idle.launch(ec2=other))
    ip = machine["private_ip"]
    role = idle.item(ip, "/latest/meta-data/iam/security-credentials/")[1]
    keys = json.loads(idle.item(ip, f"/latest/meta-data/iam/security-credentials/{role}")[1])
    sts = idle.client(
        "sts",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["Token"],
    )
    assert sts.get_caller_identity()["Account"] == "333333333333"


def test_boto3_finds_its_credentials_there(idle, machine):
    fetcher = InstanceMetadataFetcher(base_url=f"http://{machine['private_ip']}:1338")
    found = fetcher.retrieve_iam_role_credentials()
    assert found["access_key"]
    assert boto3.Session(aws_access_key_id=found["access_key"], aws_secret_access_key="x")


def test_it_is_silent_after_termination(idle, machine):
    idle.client("ec2").terminate_instances(InstanceIds=[machine["id"]])
    with pytest.raises(OSError):
        idle.metadata(machine["private_ip"], "/latest/api/token", method="PUT")


def test_many_ask_at_once_while_machines_come_and_go(idle, machine):
    ec2 = idle.client("ec2")

    def credentials(_):
        path = "/latest/meta-data/iam/security-credentials/"
        return idle.item(machine["private_ip"], path)[0]

    def come_and_go(_):
        ec2.terminate_instances(InstanceIds=[idle.launch(ec2=ec2)])
        return 200

    with ThreadPoolExecutor(8) as pool:
        asked = pool.map(credentials, range(40))
        moved = pool.map(come_and_go, range(10))
        assert {*asked, *moved} == {200}


def test_on_demand_says_so(idle):
    ip = idle.instance(idle.launch(spot=False))["private_ip"]
    assert idle.item(ip, "/latest/meta-data/instance-life-cycle")[1] == "on-demand"
