"""What at AWS would start another instance in place of one that ends: told to leave it be."""

from spotopt.cloud import errors, session
from spotopt.cloud.account import Account


def detach(account: Account, region: str, *, group: str, instance_id: str) -> None:
    """Take the instance out of its Auto Scaling group without a replacement; out already is fine."""
    autoscaling = session.client(account, "autoscaling", region)
    try:
        with errors.sorted_out():
            autoscaling.detach_instances(
                AutoScalingGroupName=group,
                InstanceIds=[instance_id],
                ShouldDecrementDesiredCapacity=True,
            )
    except errors.PermanentError as error:
        if error.code != "ValidationError" or "is not part of" not in error.message:
            raise


def cancel(account: Account, region: str, *, spot_request_id: str) -> None:
    """Cancel a persistent spot request; its instance goes on running. Gone already is fine."""
    ec2 = session.client(account, "ec2", region)
    try:
        with errors.sorted_out():
            ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[spot_request_id])
    except errors.PermanentError as error:
        if error.code != "InvalidSpotInstanceRequestID.NotFound":
            raise


NOBODY = "i-00000000000000000"


def may_detach(account: Account, region: str, *, group: str) -> bool:
    """Whether `detach` would be permitted; asked with an instance that is in no group."""
    autoscaling = session.client(account, "autoscaling", region)
    try:
        with errors.sorted_out():
            autoscaling.detach_instances(
                AutoScalingGroupName=group,
                InstanceIds=[NOBODY],
                ShouldDecrementDesiredCapacity=False,
            )
    except errors.PermanentError as error:
        return error.code == "ValidationError"
    return True


def may_cancel(account: Account, region: str, *, spot_request_id: str) -> bool:
    """Whether `cancel` would be permitted; a DryRun."""
    ec2 = session.client(account, "ec2", region)
    try:
        with errors.sorted_out():
            ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[spot_request_id], DryRun=True)
    except errors.PermanentError as error:
        return error.code == "DryRunOperation"
    return True
