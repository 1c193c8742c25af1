"""The CloudFormation template permits what the code calls, and no more than is scoped."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
TEXT = (ROOT / "clients" / "cloudformation.yaml").read_text()
TEMPLATE: dict[str, Any] = yaml.safe_load(TEXT)
RESOURCES = TEMPLATE["Resources"]
ROLE = RESOURCES["Role"]["Properties"]
STATEMENTS: list[dict[str, Any]] = ROLE["Policies"][0]["PolicyDocument"]["Statement"]
SERVICES = {"ec2": "ec2", "elb": "elasticloadbalancing", "sqs": "sqs", "autoscaling": "autoscaling",
            "pricing": "pricing", "route53": "route53", "iam": "iam"}  # fmt: skip
ALIASES = {"sqs:DeleteMessageBatch": "sqs:DeleteMessage"}
OURS = "spotopt:client"


def many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def permitted() -> set[str]:
    return {action for one in STATEMENTS for action in many(one["Action"])}


def of(action: str) -> list[dict[str, Any]]:
    return [one for one in STATEMENTS if action in many(one["Action"])]


def called() -> set[str]:
    found = set()
    for file in (ROOT / "spotopt" / "cloud").glob("*.py"):
        text = file.read_text()
        calls = re.findall(rf"\b({'|'.join(SERVICES)})\.([a-z_0-9]+)[(,]", text)
        calls += [("ec2", name) for name in re.findall(r'get_paginator\("([a-z_]+)"', text)]
        for service, name in calls:
            if name != "get_paginator":
                action = f"{SERVICES[service]}:{''.join(w.title() for w in name.split('_'))}"
                found.add(ALIASES.get(action, action))
    return found


def test_enough_calls_are_found():
    assert len(called()) > 20
    assert {"ec2:RunInstances", "ec2:DescribeInstances", "sqs:ReceiveMessage"} <= called()


def test_every_action_that_is_called_is_permitted():
    assert called() - permitted() == set()


def test_no_action_is_permitted_by_pattern():
    assert not [action for action in permitted() if "*" in action]


@pytest.mark.parametrize("action", ["ec2:TerminateInstances", "ec2:StopInstances",
                                    "ec2:DeregisterImage", "ec2:DeleteSnapshot"])  # fmt: skip
def test_only_what_carries_our_tag_is_ended(action):
    [statement] = of(action)
    assert statement["Condition"] == {
        "StringEquals": {f"aws:ResourceTag/{OURS}": {"Ref": "ClientId"}}
    }


def test_instances_are_launched_only_with_our_tag():
    for statement in of("ec2:RunInstances"):
        kinds = " ".join(one["Fn::Sub"] for one in statement["Resource"])
        if "instance/" in kinds:
            assert statement["Condition"]["StringEquals"] == {
                f"aws:RequestTag/{OURS}": {"Ref": "ClientId"}
            }
            break
    else:
        raise AssertionError("no statement launches instances")
    assert not [s for s in of("ec2:RunInstances") if "Condition" not in s and "instance/" in str(s)]


def test_tags_are_put_on_only_with_a_condition():
    assert all("Condition" in statement for statement in of("ec2:CreateTags"))
    [untag] = of("ec2:DeleteTags")
    assert untag["Condition"]["ForAllValues:StringLike"] == {"aws:TagKeys": ["spotopt:*"]}


def test_roles_are_passed_to_ec2_alone():
    [statement] = of("iam:PassRole")
    services = statement["Condition"]["StringEquals"]["iam:PassedToService"]
    assert all(service.startswith("ec2.amazonaws.com") for service in services)
    assert statement["Resource"] != "*"


def test_the_star_stands_only_for_looking():
    for statement in STATEMENTS:
        if statement["Resource"] == "*":
            verbs = {action.partition(":")[2] for action in statement["Action"]}
            assert all(verb.startswith(("Describe", "Get")) for verb in verbs)


def test_the_role_wants_the_external_id():
    [trust] = ROLE["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": {"Ref": "ExternalId"}}}
    assert trust["Principal"] == {"AWS": {"Ref": "ServerPrincipal"}}


def test_the_queue_takes_from_these_rules_alone():
    rules = {name for name, one in RESOURCES.items() if one["Type"] == "AWS::Events::Rule"}
    [statement] = RESOURCES["QueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    named = {one["Fn::GetAtt"][0] for one in statement["Condition"]["ArnEquals"]["aws:SourceArn"]}
    assert named == rules
    assert statement["Action"] == "sqs:SendMessage"
    for name in rules:
        assert RESOURCES[name]["Properties"]["Targets"][0]["Arn"] == {
            "Fn::GetAtt": ["Queue", "Arn"]
        }


def test_the_rules_hear_what_the_server_listens_for():
    heard = {
        kind
        for one in RESOURCES.values()
        if one["Type"] == "AWS::Events::Rule"
        for kind in one["Properties"]["EventPattern"]["detail-type"]
    }
    assert heard == {
        "EC2 Spot Instance Interruption Warning",
        "EC2 Instance Rebalance Recommendation",
        "EC2 Instance State-change Notification",
        "AWS Health Event",
    }


def test_every_reference_leads_somewhere():
    known = {*TEMPLATE["Parameters"], *RESOURCES}
    for name in re.findall(r"Ref: (\w+)", TEXT) + re.findall(r"GetAtt\": \[(\w+)", TEXT):
        assert name in known
    for name in re.findall(r"\$\{(\w+)\}", TEXT):
        assert name in known


def test_policies_fit():
    """IAM takes 10,240 characters of a role's inline policies, white space not counted."""
    assert len(re.sub(r"\s", "", str(STATEMENTS))) < 10_240


def test_the_role_is_made_once():
    assert RESOURCES["Role"]["Condition"] == "MakeRole"
    assert TEMPLATE["Outputs"]["RoleArn"]["Condition"] == "MakeRole"
