"""Mend: a fleet is described by ids, quickly and in one call, and tags are told right."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from .harness import IMAGE, code_of


def fleet(ec2, count):
    made = ec2.run_instances(ImageId=IMAGE, InstanceType="m5.large", MinCount=count, MaxCount=count)
    return [each["InstanceId"] for each in made["Instances"]]


def ids(answer):
    return [i["InstanceId"] for r in answer["Reservations"] for i in r["Instances"]]


def test_more_than_a_hundred_are_told_in_one_answer(idle):
    ec2 = idle.client("ec2")
    made = [one for _ in range(11) for one in fleet(ec2, 10)]
    # moto pages by reservation, so many small ones are what it gets wrong.
    singles = [idle.launch(ec2=ec2) for _ in range(100)]
    answer = ec2.describe_instances(InstanceIds=made + singles)
    assert sorted(ids(answer)) == sorted(made + singles)
    assert "NextToken" not in answer
    assert len(ids(ec2.describe_instances())) == 210


def test_pages_where_they_are_asked_for(idle):
    ec2 = idle.client("ec2")
    made = {idle.launch(ec2=ec2) for _ in range(7)}
    pages = ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5})
    assert {one for page in pages for one in ids(page)} == made


def test_asking_for_some_of_a_reservation_leaves_it_whole(idle):
    ec2 = idle.client("ec2")
    made = fleet(ec2, 3)
    assert ids(ec2.describe_instances(InstanceIds=made[:1])) == made[:1]
    assert ids(ec2.describe_instances(InstanceIds=made)) == made
    assert ids(ec2.describe_instances(InstanceIds=[made[0], made[0]])) == made[:1]


def test_an_unknown_id_is_not_found(idle):
    ec2 = idle.client("ec2")
    made = fleet(ec2, 1)
    with pytest.raises(ClientError) as error:
        ec2.describe_instances(InstanceIds=[*made, "i-00000000000000000"])
    assert code_of(error) == "InvalidInstanceID.NotFound"


def test_ids_and_filters_together(idle):
    ec2 = idle.client("ec2")
    made = fleet(ec2, 2)
    wanted = [{"Name": "instance-id", "Values": made[1:]}]
    assert ids(ec2.describe_instances(InstanceIds=made, Filters=wanted)) == made[1:]


def test_images_by_id_by_filter_and_by_pattern(idle):
    ec2 = idle.client("ec2")

    def found(**asked):
        return [each["ImageId"] for each in ec2.describe_images(**asked)["Images"]]

    assert found(ImageIds=[IMAGE]) == [IMAGE]
    assert found(Filters=[{"Name": "image-id", "Values": [IMAGE]}]) == [IMAGE]
    assert found(Filters=[{"Name": "name", "Values": ["simulat*"]}]) == [IMAGE]
    with pytest.raises(ClientError) as error:
        found(ImageIds=["ami-00000000000000000"])
    assert code_of(error) == "InvalidAMIID.NotFound"


def test_tags_follow_what_is_created_and_deleted(idle):
    ec2 = idle.client("ec2")
    (one,) = fleet(ec2, 1)
    ec2.create_tags(Resources=[one], Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    ec2.delete_tags(Resources=[one], Tags=[{"Key": "a"}])
    (told,) = ec2.describe_instances(InstanceIds=[one])["Reservations"][0]["Instances"]
    assert told["Tags"] == [{"Key": "b", "Value": "2"}]
    assert idle.instance(one)["tags"] == {"b": "2"}
    rows = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [one]}])["Tags"]
    assert [(row["ResourceType"], row["Key"]) for row in rows] == [("instance", "b")]
