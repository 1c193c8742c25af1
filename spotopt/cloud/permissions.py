"""Whether a connection may do what it will have to do: asked by DryRun, or by calls that change nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from spotopt.cloud import errors, session
from spotopt.cloud.account import Account

REFUSALS = frozenset(
    {"UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "AuthFailure"}
)
NO_INSTANCE = "i-00000000000000000"
NO_IMAGE = "ami-00000000000000000"
NO_SNAPSHOT = "snap-00000000000000000"
NO_REQUEST = "sir-00000000"
SPOT_ROLE = "AWSServiceRoleForEC2Spot"


class Verdict(StrEnum):
    """`unknown`: AWS looked at something else first, such as whether the thing exists."""

    ALLOWED = "allowed"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """What became of asking for one action; `code` is AWS's own word where it had one."""

    action: str
    verdict: Verdict
    code: str = ""


def check(
    account: Account, region: str, *, image_id: str = "", tags: Mapping[str, str] | None = None
) -> list[Finding]:
    """One finding for each action, and one for the role that spot launches need. Nothing is changed.

    `image_id` is one that may be launched, and `tags` what a launch carries: a role that is scoped by them
    says no without. Raises CloudError where there is no way into the account, or no answer from it.
    """
    with errors.sorted_out():
        session.client(account, "sts", region).get_caller_identity()
    found = [
        _ask(action, call)
        for action, call in _calls(account, region, image_id or NO_IMAGE, tags or {}).items()
    ]
    return [*found, _spot_role(account)]


def missing(findings: list[Finding]) -> list[str]:
    """The actions that were refused."""
    return [one.action for one in findings if one.verdict == Verdict.MISSING]


def _ask(action: str, call: Callable[[], object]) -> Finding:
    try:
        with errors.sorted_out():
            call()
    except (errors.ThrottleError, errors.UnreachableError):
        raise
    except errors.CloudError as error:
        if error.code == "DryRunOperation":
            return Finding(action, Verdict.ALLOWED)
        if error.code in REFUSALS:
            return Finding(action, Verdict.MISSING, error.code)
        return Finding(action, Verdict.UNKNOWN, error.code)
    return Finding(action, Verdict.ALLOWED)


def _calls(
    account: Account, region: str, image_id: str, tags: Mapping[str, str]
) -> dict[str, Callable[[], object]]:
    # Loosely typed: each is called with the same few arguments.
    ec2: Any = session.client(account, "ec2", region)
    elb: Any = session.client(account, "elbv2", region)
    pairs = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
    tagged = [
        {"ResourceType": kind, "Tags": pairs}
        for kind in ("instance", "volume", "spot-instances-request")
        if pairs
    ]
    dry = {"DryRun": True}
    return {
        "ec2:DescribeAvailabilityZones": partial(ec2.describe_availability_zones, **dry),
        "ec2:DescribeImages": partial(ec2.describe_images, Owners=["self"], **dry),
        "ec2:DescribeInstances": partial(ec2.describe_instances, **dry),
        "ec2:DescribeInstanceStatus": partial(ec2.describe_instance_status, **dry),
        "ec2:DescribeSnapshots": partial(ec2.describe_snapshots, OwnerIds=["self"], **dry),
        "ec2:DescribeSpotInstanceRequests": partial(ec2.describe_spot_instance_requests, **dry),
        "ec2:DescribeSpotPriceHistory": partial(ec2.describe_spot_price_history, **dry),
        "ec2:DescribeSubnets": partial(ec2.describe_subnets, **dry),
        "ec2:DescribeVolumes": partial(ec2.describe_volumes, **dry),
        "ec2:RunInstances": partial(
            ec2.run_instances,
            ImageId=image_id,
            InstanceType="t3.micro",
            MinCount=1,
            MaxCount=1,
            InstanceMarketOptions={"MarketType": "spot"},
            TagSpecifications=tagged,
            **dry,
        ),
        "ec2:TerminateInstances": partial(
            ec2.terminate_instances, InstanceIds=[NO_INSTANCE], **dry
        ),
        "ec2:CreateTags": partial(
            ec2.create_tags, Resources=[NO_INSTANCE], Tags=pairs or [{"Key": "spotopt"}], **dry
        ),
        "ec2:CreateImage": partial(
            ec2.create_image, InstanceId=NO_INSTANCE, Name="spotopt-check", **dry
        ),
        "ec2:DeregisterImage": partial(ec2.deregister_image, ImageId=NO_IMAGE, **dry),
        "ec2:DeleteSnapshot": partial(ec2.delete_snapshot, SnapshotId=NO_SNAPSHOT, **dry),
        "ec2:CancelSpotInstanceRequests": partial(
            ec2.cancel_spot_instance_requests, SpotInstanceRequestIds=[NO_REQUEST], **dry
        ),
        "elasticloadbalancing:DescribeTargetHealth": partial(
            elb.describe_target_health,
            TargetGroupArn=f"arn:aws:elasticloadbalancing:{region}:000000000000:targetgroup/no/0123456789abcdef",
        ),
    }


def _spot_role(account: Account) -> Finding:
    """Spot launches need this service-linked role; the console makes it, a role's first launch may not."""
    action = f"iam: {SPOT_ROLE}"
    iam: Any = session.client(account, "iam", session.HOME_REGION)
    try:
        with errors.sorted_out():
            iam.get_role(RoleName=SPOT_ROLE)
    except (errors.ThrottleError, errors.UnreachableError):
        raise
    except errors.CloudError as error:
        there = Verdict.MISSING if error.code == "NoSuchEntity" else Verdict.UNKNOWN
        return Finding(action, there, error.code)
    return Finding(action, Verdict.ALLOWED)
