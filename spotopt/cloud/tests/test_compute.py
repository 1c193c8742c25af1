"""Looking at machines, tagging and ending them."""

import pytest

from spotopt.cloud import compute, errors
from spotopt.cloud.account import Account

REGION = "us-east-1"
OURS = Account()


@pytest.fixture
def launched(aws, outside):
    image = outside("ec2").describe_images(Owners=["amazon"])["Images"][0]["ImageId"]

    def make(token: str, **tags: str) -> str:
        given = compute.LaunchSpec(
            instance_type="t3.micro",
            mode="on-demand",
            az_name="us-east-1a",
            image_id=image,
            tags=tags,
        )
        return compute.launch(OURS, REGION, spec=given, client_token=token).instance_id

    return make


def test_unknown_and_impossible_ids_are_absent_and_harm_nobody(launched):
    one = launched("1")
    two = launched("2")
    found = compute.describe(
        OURS, REGION, [one, "i-0123456789abcdef0", two, "nonsense", "", "i-*", "*"]
    )
    assert set(found) == {one, two}
    assert found[one].instance_id == one


def test_a_wildcard_is_not_everybody(launched):
    launched("1")
    assert compute.describe(OURS, REGION, ["i-*", "*", "i-????????"]) == {}


def test_asking_about_nobody_asks_nothing(script):
    script.refuse("AuthFailure")
    assert compute.describe(OURS, REGION, []) == {}
    assert compute.describe(OURS, REGION, ["i-*"]) == {}
    compute.terminate(OURS, REGION, [])
    assert script.asked == []


EMPTY = "<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>"


def test_many_are_asked_about_in_few_calls(script):
    script.say(200, EMPTY)
    compute.describe(OURS, REGION, [f"i-{n:017x}" for n in range(450)])
    assert len(script.asked) == 3
    assert script.asked[0]["Filter.1.Name"] == "instance-id"


def test_pages_are_followed(script):
    def page(instance_id: str, token: str) -> str:
        return (
            "<DescribeInstancesResponse><reservationSet><item><instancesSet><item>"
            f"<instanceId>{instance_id}</instanceId></item></instancesSet></item></reservationSet>"
            f"<nextToken>{token}</nextToken></DescribeInstancesResponse>"
        )

    script.say(200, page("i-1", "more")).say(200, page("i-2", ""))
    assert set(compute.describe(OURS, REGION, ["i-1", "i-2"])) == {"i-1", "i-2"}


def test_a_fault_on_a_later_page_is_sorted_too(script):
    script.say(
        200,
        "<DescribeInstancesResponse><reservationSet/><nextToken>more</nextToken>"
        "</DescribeInstancesResponse>",
    ).refuse("RequestLimitExceeded", status=503)
    with pytest.raises(errors.ThrottleError):
        compute.describe(OURS, REGION, ["i-1"])


def test_machines_are_found_again_by_all_of_their_tags(launched):
    mine = launched("1", a="1", b="2")
    launched("2", a="1", b="3")
    launched("3")
    found = compute.find_tagged(OURS, REGION, tags={"a": "1", "b": "2"})
    assert [machine.instance_id for machine in found] == [mine]
    assert len(compute.find_tagged(OURS, REGION, tags={"a": "1"})) == 2
    assert compute.find_tagged(OURS, REGION, tags={"a": "9"}) == []


def test_no_tags_never_means_every_machine(aws):
    with pytest.raises(ValueError):
        compute.find_tagged(OURS, REGION, tags={})


def test_the_terminated_are_gone(launched):
    one = launched("1")
    compute.terminate(OURS, REGION, [one])
    assert compute.describe(OURS, REGION, [one])[one].gone


def test_ending_leaves_out_the_unknown_and_ends_the_rest(launched):
    one, two = launched("1"), launched("2")
    compute.terminate(OURS, REGION, [one, "i-0123456789abcdef0", "rubbish", two])
    found = compute.describe(OURS, REGION, [one, two])
    assert [found[one].gone, found[two].gone] == [True, True]


def test_ending_what_is_gone_already_is_fine(launched):
    one = launched("1")
    compute.terminate(OURS, REGION, [one])
    compute.terminate(OURS, REGION, [one])
    compute.terminate(OURS, REGION, ["i-0123456789abcdef0"])


def test_unknown_ids_that_are_not_named_are_found_one_by_one(script):
    done = "<TerminateInstancesResponse><instancesSet/></TerminateInstancesResponse>"
    script.refuse("InvalidInstanceID.NotFound", "some of them").refuse(
        "InvalidInstanceID.NotFound", "this one"
    ).say(200, done)
    compute.terminate(OURS, REGION, ["i-1", "i-2"])
    assert [asked.get("InstanceId.1") for asked in script.asked] == ["i-1", "i-1", "i-2"]


def test_a_machine_that_may_not_be_ended_is_reported(script):
    script.refuse("OperationNotPermitted", "protected")
    with pytest.raises(errors.PermanentError):
        compute.terminate(OURS, REGION, ["i-1"])


def test_a_state_that_forbids_it_is_not_taken_for_gone(script):
    script.refuse("IncorrectInstanceState", "i-1 is pending")
    with pytest.raises(errors.NotYetVisibleError):
        compute.terminate(OURS, REGION, ["i-1"])


def test_tags_are_added_replaced_and_removed(launched):
    one = launched("1", a="1", b="2")
    compute.tag(OURS, REGION, [one, "i-0123456789abcdef0"], {"b": "3", "c": "4"})
    assert compute.describe(OURS, REGION, [one])[one].tags == {"a": "1", "b": "3", "c": "4"}
    compute.untag(OURS, REGION, [one], ["a", "c"])
    assert compute.describe(OURS, REGION, [one])[one].tags == {"b": "3"}


def test_a_member_of_a_group_is_recognised():
    machine = compute.Machine("i-1", "running", "", "", tags={"aws:autoscaling:groupName": "web"})
    assert machine.auto_scaling_group == "web"
    assert compute.Machine("i-1", "running", "", "").auto_scaling_group == ""


@pytest.mark.parametrize(
    ("state", "gone"),
    [
        ("pending", False),
        ("running", False),
        ("stopping", False),
        ("stopped", False),
        ("shutting-down", True),
        ("terminated", True),
    ],
)
def test_stopped_still_bills_and_is_not_gone(state, gone):
    assert compute.Machine("i-1", state, "", "").gone is gone


INSTANCE = """<DescribeInstancesResponse><reservationSet><item><instancesSet><item>
<instanceId>i-1</instanceId><instanceState><code>16</code><name>running</name></instanceState>
<instanceLifecycle>spot</instanceLifecycle><spotInstanceRequestId>sir-1</spotInstanceRequestId>
<placement><availabilityZone>us-east-1a</availabilityZone></placement>
<stateReason><code>Server.SpotInstanceTermination</code></stateReason>
</item></instancesSet></item></reservationSet></DescribeInstancesResponse>"""
CHECKS = """<DescribeInstanceStatusResponse><instanceStatusSet><item><instanceId>i-1</instanceId>
<systemStatus><status>{}</status></systemStatus><instanceStatus><status>{}</status></instanceStatus>
</item></instanceStatusSet></DescribeInstanceStatusResponse>"""
REQUESTS = """<DescribeSpotInstanceRequestsResponse><spotInstanceRequestSet><item>
<spotInstanceRequestId>sir-1</spotInstanceRequestId>
<status><code>marked-for-termination</code></status>
</item></spotInstanceRequestSet></DescribeSpotInstanceRequestsResponse>"""


@pytest.mark.parametrize(
    ("system", "instance", "word"),
    [
        ("ok", "ok", "ok"),
        ("impaired", "ok", "impaired"),
        ("ok", "impaired", "impaired"),
        ("initializing", "initializing", "initializing"),
        ("impaired", "initializing", "impaired"),
    ],
)
def test_status_checks_are_one_more_call(script, system, instance, word):
    script.say(200, INSTANCE).say(200, CHECKS.format(system, instance))
    machine = compute.describe(OURS, REGION, ["i-1"], checks=True)["i-1"]
    assert machine.checks == word
    assert machine.impaired is (word == "impaired")
    assert len(script.asked) == 2


def test_the_spot_requests_status_tells_of_an_end_to_come(script):
    script.say(200, INSTANCE).say(200, REQUESTS)
    machine = compute.describe(OURS, REGION, ["i-1"], spot_status=True)["i-1"]
    assert machine.spot_status == "marked-for-termination"
    assert machine.spot_request_id == "sir-1"
    assert machine.state_reason == "Server.SpotInstanceTermination"
    assert script.asked[1]["Filter.1.Value.1"] == "sir-1"
