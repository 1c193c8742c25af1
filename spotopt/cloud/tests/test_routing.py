from typing import Any

import pytest

from spotopt.cloud import compute, errors, routing
from spotopt.cloud.account import Account

REGION = "us-east-1"
OURS = Account()


@pytest.fixture
def group(aws, outside) -> str:
    vpc = outside("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    made = outside("elbv2").create_target_group(Name="web", Protocol="HTTP", Port=80, VpcId=vpc)
    return str(made["TargetGroups"][0]["TargetGroupArn"])


@pytest.fixture
def instance(aws, outside) -> str:
    image = outside("ec2").describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    spec = compute.LaunchSpec(
        instance_type="t3.micro", mode="on-demand", az_name="us-east-1a", image_id=image
    )
    return compute.launch(OURS, REGION, spec=spec, client_token="t").instance_id


def test_in_and_out_of_a_group(group, instance):
    routing.register(OURS, REGION, target_group_arn=group, instance_id=instance)
    assert set(routing.health(OURS, REGION, target_group_arn=group)) == {instance}

    routing.deregister(OURS, REGION, target_group_arn=group, instance_id=instance)
    assert routing.health(OURS, REGION, target_group_arn=group).get(instance) in (None, "draining")


def test_doing_it_twice_is_fine(group, instance):
    for _ in range(2):
        routing.register(OURS, REGION, target_group_arn=group, instance_id=instance)
    assert len(routing.health(OURS, REGION, target_group_arn=group)) == 1
    for _ in range(2):
        routing.deregister(OURS, REGION, target_group_arn=group, instance_id=instance)


def test_a_missing_group_is_permanent(aws, instance):
    arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/no/50dc6c495c0c9188"
    with pytest.raises(errors.PermanentError):
        routing.health(OURS, REGION, target_group_arn=arn)


def invalid_target(script: Any) -> None:
    script.say(
        400,
        "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidTarget</Code>"
        "<Message>not running</Message></Error></ErrorResponse>",
    )


def test_a_target_that_does_not_run_yet_may_be_tried_again(script):
    invalid_target(script)
    with pytest.raises(errors.NotYetVisibleError):
        routing.register(OURS, REGION, target_group_arn="arn:x", instance_id="i-1")


def test_taking_out_what_was_never_in_is_fine(script):
    invalid_target(script)
    routing.deregister(OURS, REGION, target_group_arn="arn:x", instance_id="i-1")
