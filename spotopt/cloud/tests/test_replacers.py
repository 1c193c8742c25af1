"""Groups and persistent requests, which would start another machine for one that is retired."""

import pytest

from spotopt.cloud import compute, errors, replacers
from spotopt.cloud.account import Account

REGION = "us-east-1"
OURS = Account()


@pytest.fixture
def image(outside) -> str:
    return str(outside("ec2").describe_images(Owners=["amazon"])["Images"][0]["ImageId"])


@pytest.fixture
def member(aws, outside, image) -> str:
    outside("ec2").create_launch_template(
        LaunchTemplateName="web", LaunchTemplateData={"ImageId": image, "InstanceType": "t3.micro"}
    )
    outside("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="web",
        LaunchTemplate={"LaunchTemplateName": "web"},
        MinSize=0,
        MaxSize=2,
        DesiredCapacity=1,
        AvailabilityZones=["us-east-1a"],
    )
    groups = outside("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    return str(groups[0]["Instances"][0]["InstanceId"])


def test_a_member_leaves_its_group_and_is_not_replaced(outside, member):
    assert compute.describe(OURS, REGION, [member])[member].auto_scaling_group == "web"
    replacers.detach(OURS, REGION, group="web", instance_id=member)
    [group] = outside("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert (group["Instances"], group["DesiredCapacity"]) == ([], 0)
    assert not compute.describe(OURS, REGION, [member])[member].gone


def refuse(script, code: str, message: str) -> None:
    script.say(
        400,
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>"
        f"<Message>{message}</Message></Error></ErrorResponse>",
    )


def test_leaving_twice_is_fine(script):
    refuse(script, "ValidationError", "The instance i-1 is not part of Auto Scaling group web.")
    replacers.detach(OURS, REGION, group="web", instance_id="i-1")


@pytest.mark.parametrize(
    ("code", "message"),
    [("ValidationError", "AutoScalingGroup name not found"), ("AccessDenied", "not for you")],
)
def test_not_being_let_is_told(script, code, message):
    refuse(script, code, message)
    with pytest.raises(errors.PermanentError):
        replacers.detach(OURS, REGION, group="web", instance_id="i-1")


def test_a_request_that_is_gone_is_cancelled(script):
    script.refuse("InvalidSpotInstanceRequestID.NotFound")
    replacers.cancel(OURS, REGION, spot_request_id="sir-1")
    assert script.asked[0]["SpotInstanceRequestId.1"] == "sir-1"


def test_a_request_that_may_not_be_cancelled_is_told(script):
    script.refuse("UnauthorizedOperation", status=403)
    with pytest.raises(errors.PermanentError):
        replacers.cancel(OURS, REGION, spot_request_id="sir-1")


def test_a_persistent_request_is_recognised(script):
    script.say(
        200,
        "<DescribeInstancesResponse><reservationSet><item><instancesSet><item>"
        "<instanceId>i-1</instanceId><spotInstanceRequestId>sir-1</spotInstanceRequestId>"
        "</item></instancesSet></item></reservationSet></DescribeInstancesResponse>",
    ).say(
        200,
        "<DescribeSpotInstanceRequestsResponse><spotInstanceRequestSet><item>"
        "<spotInstanceRequestId>sir-1</spotInstanceRequestId><type>persistent</type>"
        "</item></spotInstanceRequestSet></DescribeSpotInstanceRequestsResponse>",
    )
    assert compute.describe(OURS, REGION, ["i-1"], spot_status=True)["i-1"].persistent
