"""Machine images: take one of a running instance, and delete it with its snapshots."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from spotopt.cloud import errors, session
from spotopt.cloud.account import Account

CHUNK = 100


@dataclass(frozen=True)
class Image:
    """An image as EC2 tells it. `state` is `pending`, `available`, `failed` or another of EC2's words."""

    image_id: str
    name: str
    state: str
    snapshot_ids: tuple[str, ...] = ()


def create(
    account: Account, region: str, *, instance_id: str, name: str, tags: Mapping[str, str]
) -> str:
    """Begin an image without a reboot (NoReboot: what is not on the disk is not in it); its id.

    `name`, 3 to 128 characters, is unique in the account and region: asked again, the same image.
    """
    ec2 = session.client(account, "ec2", region)
    if earlier := named(account, region, name):
        return earlier.image_id
    try:
        with errors.sorted_out():
            answer = ec2.create_image(
                InstanceId=instance_id,
                Name=name,
                NoReboot=True,
                TagSpecifications=[
                    {
                        "ResourceType": "image",
                        "Tags": [{"Key": key, "Value": tags[key]} for key in sorted(tags)],
                    }
                ],
            )
    except errors.PermanentError as error:
        found = named(account, region, name) if error.code == "InvalidAMIName.Duplicate" else None
        if found is None:
            raise
        return found.image_id
    return answer["ImageId"]


def named(account: Account, region: str, name: str) -> Image | None:
    """The account's own image of that name."""
    return next(iter(_find(account, region, "name", [name])), None)


def describe(account: Account, region: str, image_ids: Collection[str]) -> dict[str, Image]:
    """What EC2 knows of the account's own images, by id; unknown ones are absent."""
    ids = sorted(set(image_ids))
    found: dict[str, Image] = {}
    for start in range(0, len(ids), CHUNK):
        for image in _find(account, region, "image-id", ids[start : start + CHUNK]):
            found[image.image_id] = image
    return found


def _find(account: Account, region: str, by: str, values: list[str]) -> list[Image]:
    ec2 = session.client(account, "ec2", region)
    with errors.sorted_out():
        answer = ec2.describe_images(Owners=["self"], Filters=[{"Name": by, "Values": values}])
    return [
        Image(
            image_id=told.get("ImageId", ""),
            name=told.get("Name", ""),
            state=told.get("State", "pending"),
            snapshot_ids=tuple(
                device["Ebs"]["SnapshotId"]
                for device in told.get("BlockDeviceMappings", [])
                if device.get("Ebs", {}).get("SnapshotId")
            ),
        )
        for told in answer["Images"]
    ]


def mark(account: Account, region: str, image: Image, tags: Mapping[str, str]) -> None:
    """Tag the image's snapshots, by which they are found when the image is no more."""
    if not image.snapshot_ids:
        return
    ec2 = session.client(account, "ec2", region)
    with errors.sorted_out():
        ec2.create_tags(
            Resources=list(image.snapshot_ids),
            Tags=[{"Key": key, "Value": value} for key, value in sorted(tags.items())],
        )


def delete(account: Account, region: str, image_id: str, *, tag: tuple[str, str]) -> None:
    """Deregister the image, and delete its snapshots and whatever carries the tag. Gone already is fine."""
    ec2 = session.client(account, "ec2", region)
    image = describe(account, region, [image_id]).get(image_id)
    snapshots = set(image.snapshot_ids) if image else set()
    with errors.sorted_out():
        told = ec2.describe_snapshots(
            OwnerIds=["self"], Filters=[{"Name": f"tag:{tag[0]}", "Values": [tag[1]]}]
        )
    snapshots.update(one["SnapshotId"] for one in told["Snapshots"])
    if image is not None:
        with errors.sorted_out():
            ec2.deregister_image(ImageId=image_id)
    for snapshot_id in sorted(snapshots):
        try:
            with errors.sorted_out():
                ec2.delete_snapshot(SnapshotId=snapshot_id)
        except errors.PermanentError as error:
            if error.code != "InvalidSnapshot.NotFound":
                raise
