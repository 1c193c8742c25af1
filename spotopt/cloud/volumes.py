"""Disks that outlive their machine."""

from spotopt.cloud import errors, session
from spotopt.cloud.account import Account


def kept(account: Account, region: str, instance_id: str) -> list[str]:
    """Volumes of the instance that its termination would not delete, and that would go on costing."""
    ec2 = session.client(account, "ec2", region)
    with errors.sorted_out():
        answer = ec2.describe_volumes(
            Filters=[{"Name": "attachment.instance-id", "Values": [instance_id]}]
        )
    return sorted(
        volume["VolumeId"]
        for volume in answer["Volumes"]
        if not all(
            held.get("DeleteOnTermination", False)
            for held in volume.get("Attachments", [])
            if held.get("InstanceId") == instance_id
        )
    )
