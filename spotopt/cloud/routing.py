"""Target groups of a load balancer: who gets the traffic."""

from spotopt.cloud import errors, session
from spotopt.cloud.account import Account


def register(account: Account, region: str, *, target_group_arn: str, instance_id: str) -> None:
    """Put the instance into the group. NotYetVisibleError while it is not running yet."""
    elb = session.client(account, "elbv2", region)
    with errors.sorted_out():
        elb.register_targets(TargetGroupArn=target_group_arn, Targets=[{"Id": instance_id}])


def deregister(account: Account, region: str, *, target_group_arn: str, instance_id: str) -> None:
    """Take the instance out; it drains for the group's delay (300 s by default). Out already is fine."""
    elb = session.client(account, "elbv2", region)
    try:
        with errors.sorted_out():
            elb.deregister_targets(TargetGroupArn=target_group_arn, Targets=[{"Id": instance_id}])
    except errors.NotYetVisibleError as error:
        if error.code != "InvalidTarget":
            raise


def health(account: Account, region: str, *, target_group_arn: str) -> dict[str, str]:
    """State by instance id: `initial`, `healthy`, `unhealthy`, `unused`, `draining` or `unavailable`."""
    elb = session.client(account, "elbv2", region)
    with errors.sorted_out():
        answer = elb.describe_target_health(TargetGroupArn=target_group_arn)
    states: dict[str, str] = {}
    for told in answer.get("TargetHealthDescriptions", []):
        if target := told.get("Target"):
            states[target["Id"]] = told.get("TargetHealth", {}).get("State", "unavailable")
    return states
