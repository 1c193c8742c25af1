"""DescribeTargetHealth tells what checks found, where moto calls every target healthy; a target taken out
drains before it is unused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.elbv2.models import ELBv2Backend, FakeHealthStatus, FakeTargetGroup

if TYPE_CHECKING:
    from ..world import World

_WHY = {
    "initial": ("Elb.RegistrationInProgress", "Target registration is in progress"),
    "unhealthy": ("Target.FailedHealthChecks", "Health checks failed"),
}


def install(world: World) -> None:
    checks = world.target_checks
    moto_health = FakeTargetGroup.health_for
    moto_register = FakeTargetGroup.register
    moto_deregister = FakeTargetGroup.deregister
    moto_drop = FakeTargetGroup.deregister_terminated_instances
    moto_describe = ELBv2Backend.describe_target_health

    def register(self: Any, targets: list[dict[str, Any]]) -> None:
        before = set(self.targets)
        moto_register(self, targets)
        for target in targets:
            if target["Id"] not in before:
                checks.registered(self, target["Id"])

    def deregister(self: Any, targets: list[dict[str, Any]]) -> None:
        gone = [dict(self.targets[t["Id"]]) for t in targets if t["Id"] in self.targets]
        moto_deregister(self, targets)
        for target in gone:
            checks.drain(self, target)

    def deregister_terminated_instances(self: Any, instance_ids: list[str]) -> None:
        gone = [dict(self.targets[i]) for i in instance_ids if i in self.targets]
        moto_drop(self, instance_ids)
        for target in gone:
            self.deregistered_targets[target["Id"]] = self.terminated_targets.pop(target["Id"])
            checks.drain(self, target)

    def health_for(self: Any, target: dict[str, Any], ec2_backend: Any) -> FakeHealthStatus:
        told = moto_health(self, target, ec2_backend)
        drained = checks.draining(self).get(target["Id"])
        if target["Id"] not in self.targets and drained:
            told.port = drained["Port"]
            told.status = "draining"
            told.reason = "Target.DeregistrationInProgress"
            told.description = "Target deregistration is in progress"
        elif told.status == "healthy":
            told.status = checks.state(self, target["Id"])
            told.reason, told.description = _WHY.get(told.status, (None, None))
        return told

    def describe_target_health(
        self: Any, target_group_arn: str, targets: list[dict[str, Any]]
    ) -> list[FakeHealthStatus]:
        group = self.target_groups.get(target_group_arn)
        if group is not None and not targets:
            targets = [*group.targets.values(), *checks.draining(group).values()]
        if group is not None and not targets:
            return []
        return moto_describe(self, target_group_arn, targets)

    FakeTargetGroup.register = register  # type: ignore[method-assign]
    FakeTargetGroup.deregister = deregister  # type: ignore[method-assign]
    FakeTargetGroup.deregister_terminated_instances = deregister_terminated_instances  # type: ignore[method-assign]
    FakeTargetGroup.health_for = health_for  # type: ignore[method-assign]
    ELBv2Backend.describe_target_health = describe_target_health  # type: ignore[method-assign]
