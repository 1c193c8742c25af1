"""The request a launch makes, and what becomes of it."""

import base64

import pytest

from spotopt.cloud import compute, errors, launching
from spotopt.cloud.account import Account

REGION = "us-east-1"
OURS = Account()


@pytest.fixture
def image(outside) -> str:
    images = outside("ec2").describe_images(Owners=["amazon"])["Images"]
    return str(images[0]["ImageId"])


def spec(**changes) -> compute.LaunchSpec:
    given = {
        "instance_type": "t3.medium",
        "mode": "spot",
        "az_name": "us-east-1b",
        "image_id": "ami-12345678",
        "tags": {"spotopt:agent": "a1", "spotopt:saga": "s1"},
    }
    return compute.LaunchSpec(**{**given, **changes})


def told(outside, instance_id: str):
    answer = outside("ec2").describe_instances(InstanceIds=[instance_id])
    return answer["Reservations"][0]["Instances"][0]


def test_a_spot_machine_stands_in_the_zone_it_was_asked_for(aws, outside, image):
    machine = compute.launch(OURS, REGION, spec=spec(image_id=image), client_token="t-1")

    assert machine.mode == "spot"
    assert machine.az_name == "us-east-1b"
    assert machine.instance_type == "t3.medium"
    assert machine.image_id == image
    assert machine.private_ip
    assert machine.launched_at is not None
    assert machine.launched_at.tzinfo is not None
    assert not machine.gone
    assert machine.tags == {"spotopt:agent": "a1", "spotopt:saga": "s1"}
    seen = told(outside, machine.instance_id)
    assert seen["InstanceLifecycle"] == "spot"
    assert seen["Placement"]["AvailabilityZone"] == "us-east-1b"


def test_volumes_carry_the_tags_too(aws, outside, image):
    machine = compute.launch(OURS, REGION, spec=spec(image_id=image), client_token="t-1")
    mappings = told(outside, machine.instance_id)["BlockDeviceMappings"]
    ids = [mapping["Ebs"]["VolumeId"] for mapping in mappings]
    volumes = outside("ec2").describe_volumes(VolumeIds=ids)["Volumes"]
    assert volumes
    for volume in volumes:
        assert {tag["Key"] for tag in volume["Tags"]} == {"spotopt:agent", "spotopt:saga"}


def test_an_on_demand_machine_has_no_lifecycle(aws, outside, image):
    machine = compute.launch(
        OURS, REGION, spec=spec(image_id=image, mode="on-demand"), client_token="t-1"
    )
    assert machine.mode == "on-demand"
    assert "InstanceLifecycle" not in told(outside, machine.instance_id)


def test_a_given_subnet_decides_where_it_stands(aws, outside, image):
    subnets = outside("ec2").describe_subnets(
        Filters=[{"Name": "availability-zone", "Values": ["us-east-1c"]}]
    )["Subnets"]
    subnet = subnets[0]["SubnetId"]
    machine = compute.launch(
        OURS,
        REGION,
        spec=spec(image_id=image, subnet_id=subnet, az_name="us-east-1c"),
        client_token="t",
    )
    assert (machine.az_name, machine.subnet_id) == ("us-east-1c", subnet)


def test_a_launch_template_brings_the_rest(aws, outside, image):
    outside("ec2").create_launch_template(
        LaunchTemplateName="base", LaunchTemplateData={"ImageId": image, "KeyName": "ops"}
    )
    machine = compute.launch(
        OURS, REGION, spec=spec(image_id="", launch_template="base"), client_token="t"
    )
    assert machine.image_id == image
    assert machine.instance_type == "t3.medium"


def test_user_data_arrives_as_it_was_given(aws, outside, image):
    text = "#!/bin/sh\necho 'hello'\n"
    machine = compute.launch(
        OURS, REGION, spec=spec(image_id=image, user_data=text), client_token="t"
    )
    seen = outside("ec2").describe_instance_attribute(
        InstanceId=machine.instance_id, Attribute="userData"
    )
    assert base64.b64decode(seen["UserData"]["Value"]).decode() == text


ANSWER = """<RunInstancesResponse><instancesSet><item><instanceId>i-0abc</instanceId>
<instanceState><code>0</code><name>pending</name></instanceState></item></instancesSet></RunInstancesResponse>"""


def test_the_wire_says_one_time_terminate_imdsv2_and_the_token(script):
    script.say(200, ANSWER)
    machine = compute.launch(OURS, REGION, spec=spec(), client_token="x" * 64)
    asked = script.asked[0]
    assert asked["Action"] == "RunInstances"
    assert (asked["MinCount"], asked["MaxCount"]) == ("1", "1")
    assert asked["ClientToken"] == "x" * 64
    assert asked["MetadataOptions.HttpTokens"] == "required"
    assert asked["InstanceMarketOptions.MarketType"] == "spot"
    assert asked["InstanceMarketOptions.SpotOptions.SpotInstanceType"] == "one-time"
    behaviour = asked["InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior"]
    assert behaviour == "terminate"
    assert "InstanceMarketOptions.SpotOptions.MaxPrice" not in asked
    assert machine.instance_id == "i-0abc"
    assert machine.state == "pending"
    assert machine.launched_at is None


def test_asking_again_after_a_lost_answer_is_the_same_request_to_the_byte(script):
    script.say(0, "").say(200, ANSWER)
    with pytest.raises(errors.UnreachableError):
        compute.launch(OURS, REGION, spec=spec(), client_token="t-1")
    compute.launch(OURS, REGION, spec=spec(), client_token="t-1")
    assert script.bodies[0] == script.bodies[1]


def test_the_order_of_tags_does_not_make_another_request():
    one = launching.request(spec(tags={"a": "1", "b": "2"}), "t")
    other = launching.request(spec(tags={"b": "2", "a": "1"}), "t")
    assert one == other


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lt-0123", {"LaunchTemplateId": "lt-0123", "Version": "$Default"}),
        ("lt-0123:7", {"LaunchTemplateId": "lt-0123", "Version": "7"}),
        ("web:$Latest", {"LaunchTemplateName": "web", "Version": "$Latest"}),
        ("web", {"LaunchTemplateName": "web", "Version": "$Default"}),
    ],
)
def test_a_template_is_named_by_id_or_name_and_version(text, expected):
    assert launching.request(spec(launch_template=text), "t")["LaunchTemplate"] == expected


def test_a_subnet_replaces_the_zone_in_the_request():
    asked = launching.request(spec(subnet_id="subnet-1"), "t")
    assert asked["SubnetId"] == "subnet-1"
    assert "Placement" not in asked


def test_without_tags_no_tag_is_specified():
    assert "TagSpecifications" not in launching.request(spec(tags={}), "t")


@pytest.mark.parametrize("token", ["", "x" * 65, "münze", "a b", "a\n"])
def test_a_token_that_ec2_would_not_take_is_refused_before_it_is_sent(script, token):
    script.say(200, ANSWER)
    with pytest.raises(errors.PermanentError) as caught:
        compute.launch(OURS, REGION, spec=spec(), client_token=token)
    assert caught.value.code == "InvalidClientToken"
    assert script.asked == []


def test_nothing_to_boot_from_is_refused_before_it_is_sent(script):
    script.say(200, ANSWER)
    with pytest.raises(errors.PermanentError):
        compute.launch(OURS, REGION, spec=spec(image_id=""), client_token="t")
    assert script.asked == []
