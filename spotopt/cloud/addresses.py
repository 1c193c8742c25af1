"""Elastic IPs: an address that moves with the slot."""

from spotopt.cloud import errors, session
from spotopt.cloud.account import Account


def associate(account: Account, region: str, *, allocation_id: str, instance_id: str) -> None:
    """Give the address to the instance, taking it from whoever has it; had already is fine.

    NotYetVisibleError while the instance is not running yet.
    """
    ec2 = session.client(account, "ec2", region)
    with errors.sorted_out():
        ec2.associate_address(
            AllocationId=allocation_id, InstanceId=instance_id, AllowReassociation=True
        )
