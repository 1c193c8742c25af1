"""EC2 instances: launch one, look at many, end them."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from spotopt.cloud import errors, launching, machine, session
from spotopt.cloud.account import Account
from spotopt.cloud.launching import LaunchSpec
from spotopt.cloud.machine import ON_DEMAND, SPOT, Machine

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import FilterTypeDef

__all__ = [
    "ON_DEMAND",
    "SPOT",
    "LaunchSpec",
    "Machine",
    "describe",
    "find_tagged",
    "launch",
    "protected",
    "tag",
    "terminate",
    "untag",
]

CHUNK = 200  # values in one filter
_ID = re.compile(r"i-[0-9A-Za-z]{1,30}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,64}")


def launch(account: Account, region: str, *, spec: LaunchSpec, client_token: str) -> Machine:
    """Launch one instance. The same token (1 to 64 ASCII characters) and spec give the same instance,
    however often it is asked; after UnreachableError ask again with both unchanged.
    """
    if not _TOKEN.fullmatch(client_token):
        raise errors.PermanentError("InvalidClientToken", "A ClientToken has 1 to 64 characters.")
    if not spec.image_id and not spec.launch_template:
        raise errors.PermanentError("MissingParameter", "Neither image nor launch template given.")
    ec2 = session.client(account, "ec2", region)
    with errors.sorted_out():
        answer = ec2.run_instances(**launching.request(spec, client_token))
    machines = answer.get("Instances") or []
    if not machines:
        raise errors.UnreachableError("EmptyAnswer", "RunInstances named no instance.")
    return machine.read(machines[0])


def _chunks(items: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(items)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def _plausible(instance_ids: Iterable[str]) -> list[str]:
    # Ids reach us from agents, and filters know wildcards: `i-*` must not mean everybody's.
    return [text for text in dict.fromkeys(instance_ids) if _ID.fullmatch(text)]


def _described(account: Account, region: str, filters: "list[FilterTypeDef]") -> Iterator[Machine]:
    ec2 = session.client(account, "ec2", region)
    with errors.sorted_out():
        pages = ec2.get_paginator("describe_instances").paginate(
            Filters=filters, PaginationConfig={"PageSize": 1000}
        )
        for page in pages:
            for reservation in page["Reservations"]:
                for told in reservation.get("Instances", []):
                    yield machine.read(told)


def describe(
    account: Account,
    region: str,
    instance_ids: Collection[str],
    *,
    checks: bool = False,
    spot_status: bool = False,
) -> dict[str, Machine]:
    """What EC2 knows of these, by id; unknown ids are absent. A call for each 200 of them, and one more
    for each of `checks` and `spot_status` if asked for.
    """
    found: dict[str, Machine] = {}
    for chunk in _chunks(_plausible(instance_ids)):
        # By filter, since an unknown id given by name fails the call for all the others.
        for known in _described(account, region, [{"Name": "instance-id", "Values": chunk}]):
            found[known.instance_id] = known
    if checks:
        _add_checks(account, region, found)
    if spot_status:
        _add_spot_status(account, region, found)
    return found


def _add_checks(account: Account, region: str, found: dict[str, Machine]) -> None:
    ec2 = session.client(account, "ec2", region)
    running = [key for key, known in found.items() if known.state == "running"]
    for chunk in _chunks(running):
        with errors.sorted_out():
            answer = ec2.describe_instance_status(
                Filters=[{"Name": "instance-id", "Values": chunk}], MaxResults=1000
            )
        for status in answer["InstanceStatuses"]:
            words = {
                status.get("SystemStatus", {}).get("Status", "ok"),
                status.get("InstanceStatus", {}).get("Status", "ok"),
            }
            word = next((w for w in ("impaired", "initializing") if w in words), "ok")
            if (key := status.get("InstanceId", "")) in found:
                found[key] = replace(found[key], checks=word)


def _add_spot_status(account: Account, region: str, found: dict[str, Machine]) -> None:
    ec2 = session.client(account, "ec2", region)
    by_request = {m.spot_request_id: key for key, m in found.items() if m.spot_request_id}
    for chunk in _chunks(by_request):
        with errors.sorted_out():
            answer = ec2.describe_spot_instance_requests(
                Filters=[{"Name": "spot-instance-request-id", "Values": chunk}]
            )
        for request in answer["SpotInstanceRequests"]:
            key = by_request.get(request.get("SpotInstanceRequestId", ""), "")
            if key:
                found[key] = replace(
                    found[key],
                    spot_status=request.get("Status", {}).get("Code", ""),
                    persistent=request.get("Type") == "persistent",
                )


def find_tagged(account: Account, region: str, *, tags: Mapping[str, str]) -> list[Machine]:
    """Every instance that carries all of these tags, ended ones included while EC2 still lists them."""
    if not tags:
        raise ValueError("tags must name at least one tag")
    filters: list[FilterTypeDef] = [
        {"Name": f"tag:{key}", "Values": [value]} for key, value in sorted(tags.items())
    ]
    return list(_described(account, region, filters))


def protected(account: Account, region: str, instance_id: str) -> bool:
    """Whether termination protection (DisableApiTermination) would refuse `terminate`."""
    ec2 = session.client(account, "ec2", region)
    with errors.sorted_out():
        answer = ec2.describe_instance_attribute(
            InstanceId=instance_id, Attribute="disableApiTermination"
        )
    return bool(answer.get("DisableApiTermination", {}).get("Value", False))


def terminate(account: Account, region: str, instance_ids: Sequence[str]) -> None:
    """Have these ended; those EC2 does not know count as gone. Returning means that EC2 accepted."""
    ec2 = session.client(account, "ec2", region)
    for chunk in _chunks(_plausible(instance_ids)):
        _without_unknown(chunk, lambda ids: ec2.terminate_instances(InstanceIds=ids))


def tag(
    account: Account, region: str, instance_ids: Sequence[str], tags: Mapping[str, str]
) -> None:
    """Add or replace tags; those of unknown instances are skipped."""
    ec2 = session.client(account, "ec2", region)
    wanted = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
    for chunk in _chunks(_plausible(instance_ids)):
        _without_unknown(
            chunk,
            lambda ids: ec2.create_tags(Resources=ids, Tags=wanted),  # type: ignore[arg-type]
        )


def untag(
    account: Account, region: str, instance_ids: Sequence[str], keys: Collection[str]
) -> None:
    """Remove tags, whatever their values."""
    ec2 = session.client(account, "ec2", region)
    for chunk in _chunks(_plausible(instance_ids)):
        _without_unknown(
            chunk,
            lambda ids: ec2.delete_tags(Resources=ids, Tags=[{"Key": key} for key in sorted(keys)]),
        )


def _without_unknown(instance_ids: list[str], call: Callable[[list[str]], object]) -> None:
    """EC2 does nothing at all if one id is unknown: leave out those it names, and ask again."""
    rest = instance_ids
    while rest:
        try:
            with errors.sorted_out():
                call(rest)
        except errors.NotYetVisibleError as error:
            if error.code != "InvalidInstanceID.NotFound":
                raise
            named = set(_ID.findall(error.message)).intersection(rest)
            if not named and len(rest) > 1:
                for one in rest:
                    _without_unknown([one], call)
                return
            rest = [text for text in rest if text not in named] if named else []
        else:
            return
