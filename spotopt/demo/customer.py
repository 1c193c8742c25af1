"""The demo's customer: a client, its people, three workloads behind target groups, their machines."""

import base64
import json
import secrets
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from django.contrib.auth.models import User
from django.utils import timezone

from agents import configuration
from agents.models import Agent
from clients import tenants
from clients.models import Client, Membership
from spotopt.demo import wire
from spotopt.demo.stage import Stage

REGION = "us-east-1"
IMAGE = "ami-simulated00000000"
MACHINE = Path(__file__).parent / "machine"
PORT = 8080
WORKLOADS = (("shop", "t3.medium", "a"), ("search", "m5.large", "b"), ("mail", "c5.large", "c"))


@dataclass(frozen=True)
class Person:
    """A login, with the password that is shown once."""

    username: str
    password: str
    what: str


@dataclass
class Workload:
    """One slot as its customer sees it."""

    name: str
    instance_type: str
    target_group_arn: str
    first_instance_id: str
    agent_id: str = ""


@dataclass(frozen=True)
class Customer:
    """Who plays."""

    client: Client
    token: str
    people: list[Person]
    workloads: list[Workload]


def move_in(stage: Stage) -> Customer:
    """Create the client and its people, start its machines."""
    now = timezone.now()
    client, token = tenants.create(
        name="Example Trading", email="owner@example.com", by="the demo", now=now
    )
    people = [
        _person("admin", "staff: the Django admin, all clients", is_staff=True, is_superuser=True),
        _person("olivia", "owner of the client", client=client, role=Membership.Role.OWNER),
        _person("victor", "viewer of the client", client=client, role=Membership.Role.VIEWER),
    ]
    Client.objects.filter(pk=client.pk).update(
        user_data=boot_script(stage), aws_queues={REGION: _queue(stage)}
    )
    client.refresh_from_db()
    workloads = [_workload(stage, token, *what) for what in WORKLOADS]
    return Customer(client=client, token=token, people=people, workloads=workloads)


def _person(
    username: str, what: str, *, client: Client | None = None, role: str = "", **flags: bool
) -> Person:
    password = secrets.token_urlsafe(9)
    user = User.objects.create_user(username, f"{username}@example.com", password, **flags)
    if client is not None:
        Membership.objects.create(user=user, client=client, role=role)
    return Person(username, password, what)


def boot_script(stage: Stage) -> str:
    """What the client has its replicas do at boot."""
    facts = {
        "DEMO_MACHINE": str(MACHINE),
        "DEMO_PYTHON": sys.executable,
        "SPOTOPT_INTERVAL_SCALE": repr(1 / stage.options.speed),
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in facts.items()]
    return "\n".join([*lines, f". {shlex.quote(str(MACHINE / 'boot.sh'))}"]) + "\n"


def _workload(stage: Stage, token: str, name: str, instance_type: str, zone: str) -> Workload:
    arn = _target_group(stage, name)
    script = "\n".join(
        [
            "#!/bin/sh",
            f"export SPOTOPT_SERVER_URL={shlex.quote(stage.web_url)}",
            f"export SPOTOPT_TOKEN={shlex.quote(token)}",
            f"export SPOTOPT_LOGICAL_AGENT_ID={shlex.quote(name)}",
            boot_script(stage),
            "exec spotopt-agent run",
            "",
        ]
    )
    answer = wire.aws(
        stage.aws_url,
        "ec2",
        REGION,
        "RunInstances",
        "2016-11-15",
        **{
            "ImageId": IMAGE,
            "InstanceType": instance_type,
            "MinCount": "1",
            "MaxCount": "1",
            "Placement.AvailabilityZone": f"{REGION}{zone}",
            "InstanceMarketOptions.MarketType": "spot",
            "UserData": base64.b64encode(script.encode()).decode(),
            "TagSpecification.1.ResourceType": "instance",
            "TagSpecification.1.Tag.1.Key": "Name",
            "TagSpecification.1.Tag.1.Value": name,
        },
    )
    instance_id = wire.text_of(answer, "instanceId")
    return Workload(name, instance_type, arn, instance_id)


def _target_group(stage: Stage, name: str) -> str:
    vpcs = wire.aws(stage.aws_url, "ec2", REGION, "DescribeVpcs", "2016-11-15")
    answer = wire.aws(
        stage.aws_url,
        "elasticloadbalancing",
        REGION,
        "CreateTargetGroup",
        "2015-12-01",
        Name=f"demo-{name}",
        Protocol="HTTP",
        Port=str(PORT),
        VpcId=wire.text_of(vpcs, "vpcId"),
        HealthCheckPath="/",
    )
    return wire.text_of(answer, "TargetGroupArn")


def known(stage: Stage, customer: Customer) -> bool:
    """Whether each workload's agent has registered; then its target group is put into its settings."""
    for workload in customer.workloads:
        agent = Agent.objects.filter(client=customer.client, logical_agent_id=workload.name).first()
        if agent is None:
            return False
        if not workload.agent_id:
            _register(stage, workload)
            configuration.update(
                agent=agent,
                changes={"target_group_arn": workload.target_group_arn},
                by="demo",
                now=timezone.now(),
            )
            workload.agent_id = str(agent.pk)
    return True


def _queue(stage: Stage) -> str:
    """What the connection's template would make: a queue, and the rule that feeds it."""
    answer = wire.aws(
        stage.aws_url, "sqs", REGION, "CreateQueue", "2012-11-05", QueueName="spotopt-events"
    )
    url = wire.text_of(answer, "QueueUrl")
    account = url.split("/")[-2]
    pattern = {"source": ["aws.ec2", "aws.health"]}
    for action, given in (
        ("PutRule", {"Name": "spotopt", "EventPattern": json.dumps(pattern)}),
        (
            "PutTargets",
            {
                "Rule": "spotopt",
                "Targets": [
                    {"Id": "queue", "Arn": f"arn:aws:sqs:{REGION}:{account}:spotopt-events"}
                ],
            },
        ),
    ):
        wire.aws_json(stage.aws_url, "events", REGION, f"AWSEvents.{action}", **given)
    return url


def _register(stage: Stage, workload: Workload) -> None:
    """The customer's own first registration; every later one is the server's."""
    wire.aws(
        stage.aws_url,
        "elasticloadbalancing",
        REGION,
        "RegisterTargets",
        "2015-12-01",
        **{
            "TargetGroupArn": workload.target_group_arn,
            "Targets.member.1.Id": workload.first_instance_id,
        },
    )
