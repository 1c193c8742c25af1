"""What moto does right, and the product needs: that it stays so under the mends."""

from __future__ import annotations

import json


def test_route53_moves_a_record(idle):
    dns = idle.client("route53")
    zone = dns.create_hosted_zone(Name="example.org", CallerReference="1")["HostedZone"]["Id"]
    for address in ("127.20.1.1", "127.20.1.2"):
        change = {
            "Action": "UPSERT",
            "ResourceRecordSet": {
                "Name": "app.example.org",
                "Type": "A",
                "TTL": 5,
                "ResourceRecords": [{"Value": address}],
            },
        }
        dns.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [change]})
    records = dns.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    (found,) = [each for each in records if each["Type"] == "A"]
    assert found["ResourceRecords"] == [{"Value": "127.20.1.2"}]


def test_an_elastic_address_moves(idle):
    ec2 = idle.client("ec2")
    first, second = idle.launch(ec2=ec2), idle.launch(ec2=ec2)
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    for one in (first, second):
        ec2.associate_address(AllocationId=address, InstanceId=one, AllowReassociation=True)
    (told,) = ec2.describe_addresses()["Addresses"]
    assert told["InstanceId"] == second


def test_an_image_of_a_machine_can_be_launched(idle):
    ec2 = idle.client("ec2")
    one = idle.launch(ec2=ec2)
    idle.wait_state(one, "running")
    image = ec2.create_image(InstanceId=one, Name="golden", NoReboot=True)["ImageId"]
    assert idle.launch(ec2=ec2, ImageId=image)


def test_an_instance_profile_names_the_role(idle):
    iam, ec2 = idle.client("iam"), idle.client("ec2")
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    iam.create_role(RoleName="worker", AssumeRolePolicyDocument=policy)
    iam.create_instance_profile(InstanceProfileName="worker-profile")
    iam.add_role_to_instance_profile(InstanceProfileName="worker-profile", RoleName="worker")
    one = idle.launch(ec2=ec2, IamInstanceProfile={"Name": "worker-profile"})
    ip = idle.instance(one)["private_ip"]
    assert idle.item(ip, "/latest/meta-data/iam/security-credentials/") == (200, "worker-profile")


def test_listeners_forward_by_weight(idle):
    elb, ec2 = idle.client("elbv2"), idle.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"][:2]]
    groups = [
        elb.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=vpc)["TargetGroups"][0]
        for name in ("live", "standby")
    ]
    balancer = elb.create_load_balancer(Name="lb", Subnets=subnets)["LoadBalancers"][0]
    weights = [
        {"TargetGroupArn": group["TargetGroupArn"], "Weight": weight}
        for group, weight in zip(groups, (1, 0), strict=True)
    ]
    listener = elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": weights}}],
    )["Listeners"][0]
    told = listener["DefaultActions"][0]["ForwardConfig"]["TargetGroups"]
    assert [each["Weight"] for each in told] == [1, 0]


def test_an_auto_scaling_group_replaces_what_dies(idle):
    autoscaling = idle.client("autoscaling")
    autoscaling.create_launch_configuration(
        LaunchConfigurationName="lc", ImageId="ami-simulated00000000", InstanceType="m5.large"
    )
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName="g",
        LaunchConfigurationName="lc",
        MinSize=1,
        MaxSize=1,
        AvailabilityZones=["us-east-1a"],
    )

    def members():
        (group,) = autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
        return [each["InstanceId"] for each in group["Instances"]]

    (first,) = members()
    idle.interrupt(first, "death")
    (second,) = members()
    assert second != first
    autoscaling.detach_instances(
        AutoScalingGroupName="g", InstanceIds=[second], ShouldDecrementDesiredCapacity=False
    )
    assert members() != [second]


def test_the_image_parameter_of_ssm(idle):
    name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
    image = idle.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    assert idle.launch(ImageId=image)
