"""Mend: load-balancer targets are healthy when they answer."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from .harness import code_of, eventually, free_port

SERVER = """#!/usr/bin/env python3
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response({status} if self.path == "/health" else 404)
        self.end_headers()

ThreadingHTTPServer((os.environ["PRIVATE_IP"], {port}), Handler).serve_forever()
"""


def group(sim, port, **more):
    elb = sim.client("elbv2")
    vpc = sim.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    arguments = {
        "Protocol": "HTTP",
        "HealthCheckPath": "/health",
        "HealthCheckIntervalSeconds": 10,
        **more,
    }
    made = elb.create_target_group(Name="workers", Port=port, VpcId=vpc, **arguments)
    return elb, made["TargetGroups"][0]["TargetGroupArn"]


def states(elb, arn, *ids):
    wanted = {"Targets": [{"Id": one} for one in ids]} if ids else {}
    told = elb.describe_target_health(TargetGroupArn=arn, **wanted)["TargetHealthDescriptions"]
    return {each["Target"]["Id"]: each["TargetHealth"]["State"] for each in told}


@pytest.fixture
def port():
    return free_port()


def test_initial_then_healthy_when_it_answers(sim, port):
    elb, arn = group(sim, port)
    one = sim.launch(SERVER.format(status=200, port=port))
    sim.wait_state(one, "running")
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": one}])
    assert states(elb, arn) == {one: "initial"}
    eventually(lambda: states(elb, arn) == {one: "healthy"})
    (target,) = sim.state()["targets"]
    assert (target["address"], target["port"]) == (sim.instance(one)["private_ip"], port)
    assert target["state"] == "healthy"


def test_unhealthy_when_nothing_listens(sim, port):
    elb, arn = group(sim, port)
    one = sim.launch()
    sim.wait_state(one, "running")
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": one}])
    eventually(lambda: states(elb, arn) == {one: "unhealthy"})


def test_unhealthy_when_the_answer_is_wrong(sim, port):
    elb, arn = group(sim, port)
    one = sim.launch(SERVER.format(status=500, port=port))
    sim.wait_state(one, "running")
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": one}])
    eventually(lambda: states(elb, arn) == {one: "unhealthy"})


def test_a_tcp_check_only_connects(sim, port):
    tcp = {"Protocol": "TCP", "HealthCheckProtocol": "TCP"}
    elb, arn = group(sim, port, **tcp, HealthCheckPath="/")
    one = sim.launch(SERVER.format(status=500, port=port))
    sim.wait_state(one, "running")
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": one}])
    eventually(lambda: states(elb, arn) == {one: "healthy"})


def test_targets_may_be_addresses(sim, port):
    elb, arn = group(sim, port, TargetType="ip")
    one = sim.launch(SERVER.format(status=200, port=port))
    address = sim.wait_state(one, "running")["private_ip"]
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": address}])
    eventually(lambda: states(elb, arn) == {address: "healthy"})


def test_it_falls_ill_when_its_process_dies(sim, port):
    elb, arn = group(sim, port)
    one = sim.launch(SERVER.format(status=200, port=port), spot=False)
    sim.wait_state(one, "running")
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": one}])
    eventually(lambda: states(elb, arn) == {one: "healthy"})
    sim.client("ec2").reboot_instances(InstanceIds=[one])
    eventually(lambda: states(elb, arn) == {one: "unhealthy"})
    eventually(lambda: states(elb, arn) == {one: "healthy"})


def test_taken_out_it_drains_and_is_then_unused(sim, port):
    elb, arn = group(sim, port)
    one = sim.launch(SERVER.format(status=200, port=port))
    sim.wait_state(one, "running")
    elb.modify_target_group_attributes(
        TargetGroupArn=arn,
        Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "60"}],
    )
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": one}])
    eventually(lambda: states(elb, arn) == {one: "healthy"})
    elb.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": one}])
    assert states(elb, arn) == {one: "draining"}
    eventually(lambda: states(elb, arn) == {})
    assert states(elb, arn, one) == {one: "unused"}


def test_a_machine_that_dies_drains_too(sim, port):
    elb, arn = group(sim, port)
    one = sim.launch(SERVER.format(status=200, port=port))
    sim.wait_state(one, "running")
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": one}])
    sim.interrupt(one, "death")
    assert states(elb, arn) == {one: "draining"}
    assert sim.state()["targets"] == []


def test_what_was_never_registered_is_unused(idle, port):
    elb, arn = group(idle, port)
    one = idle.launch()
    assert states(elb, arn, one) == {one: "unused"}
    assert states(elb, arn) == {}


def test_a_pending_machine_cannot_be_registered(idle, port):
    elb, arn = group(idle, port)
    one = idle.launch_fully()
    if one["State"]["Name"] != "pending":
        pytest.skip("it booted too soon")
    with pytest.raises(ClientError) as error:
        elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": one["InstanceId"]}])
    assert code_of(error) == "InvalidTarget"


def test_without_agents_a_running_machine_passes_for_healthy(idle, port):
    elb, arn = group(idle, port)
    one = idle.launch()
    idle.wait_state(one, "running")
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": one}])
    assert states(elb, arn) == {one: "healthy"}


def test_registering_again_keeps_it_healthy(sim, port):
    elb, arn = group(sim, port)
    one = sim.launch(SERVER.format(status=200, port=port))
    sim.wait_state(one, "running")
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": one}])
    eventually(lambda: states(elb, arn) == {one: "healthy"})
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": one}])
    assert states(elb, arn) == {one: "healthy"}
