"""Mend: ids look as EC2's do, and differ."""

from __future__ import annotations

import re


def test_ids_look_right_and_differ(idle):
    ec2 = idle.client("ec2")
    made = [idle.launch(ec2=ec2) for _ in range(20)]
    assert len(set(made)) == 20
    assert all(re.fullmatch(r"i-[0-9a-f]{17}", one) for one in made)
    volumes = [each["VolumeId"] for each in ec2.describe_volumes()["Volumes"]]
    assert len(set(volumes)) == 20
    assert all(re.fullmatch(r"vol-[0-9a-f]{17}", one) for one in volumes)
