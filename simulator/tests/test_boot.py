"""A launch takes time, then the user data runs in a folder of its own."""

from __future__ import annotations

from pathlib import Path

from .harness import alive, eventually

ENVIRONMENT = "#!/bin/sh\nenv > partial; pwd >> partial; echo >> partial; mv partial environment\n"


def test_pending_then_running(idle):
    one = idle.launch_fully()
    assert one["State"] == {"Code": 0, "Name": "pending"}
    idle.wait_state(one["InstanceId"], "running")


def test_the_script_gets_its_addresses_and_its_folder(sim):
    one = sim.launch(ENVIRONMENT)
    told = sim.instance(one)
    lines = sim.wait_file(one, "environment").splitlines()
    variables = dict(line.split("=", 1) for line in lines if "=" in line)
    assert variables["INSTANCE_ID"] == one
    assert variables["PRIVATE_IP"] == told["private_ip"]
    assert variables["AWS_ENDPOINT_URL"] == sim.url
    assert variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] == f"http://{told['private_ip']}:1338"
    assert variables["AWS_DEFAULT_REGION"] == "us-east-1"
    assert lines[-1] == told["folder"]


def test_it_inherits_nothing_else(sim):
    one = sim.launch(ENVIRONMENT)
    names = {line.split("=")[0] for line in sim.wait_file(one, "environment").splitlines()}
    assert not {name for name in names if name.startswith(("PYTEST", "DJANGO", "DATABASE"))}


def test_output_is_kept(sim):
    one = sim.launch("#!/bin/sh\necho out; echo err >&2\n")
    assert sim.wait_file(one, "stdout") == "out"
    assert sim.wait_file(one, "stderr") == "err"


def test_the_interpreter_named_is_used(sim):
    one = sim.launch("#!/usr/bin/env python3\nimport sys\nprint(sys.version_info[0], flush=True)\n")
    assert sim.wait_file(one, "stdout") == "3"


def test_termination_kills_everything_even_what_left_its_session(sim):
    one = sim.launch(
        "#!/bin/sh\n"
        "setsid sh -c 'echo $$ >> pids; exec sleep 300' &\n"
        "trap '' TERM\n"
        "echo $$ >> pids\n"
        "while :; do sleep 300; done\n"
    )
    file = Path(sim.instance(one)["folder"]) / "pids"
    eventually(lambda: file.exists() and len(file.read_text().split()) == 2)
    pids = [int(each) for each in file.read_text().split()]
    assert all(alive(pid) for pid in pids)
    assert sim.instance(one)["processes"] >= 2
    sim.client("ec2").terminate_instances(InstanceIds=[one])
    assert not any(alive(pid) for pid in pids)


def test_killed_before_it_booted_it_never_runs(sim):
    ec2 = sim.client("ec2")
    one = sim.launch("#!/bin/sh\necho ran > ran\n", ec2=ec2)
    ec2.terminate_instances(InstanceIds=[one])
    other = sim.launch("#!/bin/sh\necho ran > ran\n", ec2=ec2)
    sim.wait_file(other, "ran")
    assert not (Path(sim.instance(one)["folder"]) / "ran").exists()


def test_without_a_script_nothing_runs(sim):
    one = sim.launch("#cloud-config\n")
    sim.wait_state(one, "running")
    assert sim.instance(one)["processes"] == 0


def test_addresses_differ_and_are_told_by_ec2(idle):
    ec2 = idle.client("ec2")
    made = [idle.launch(ec2=ec2) for _ in range(5)]
    told = ec2.describe_instances(InstanceIds=made)["Reservations"]
    addresses = {r["Instances"][0]["PrivateIpAddress"] for r in told}
    assert len(addresses) == 5
    assert all(address.startswith("127.") for address in addresses)
    assert addresses == {idle.instance(one)["private_ip"] for one in made}


def test_no_agents_runs_none(idle):
    one = idle.launch("#!/bin/sh\nsleep 100\n")
    idle.wait_state(one, "running")
    eventually(lambda: idle.instance(one)["billing_seconds"] > 0.5)
    assert idle.instance(one)["processes"] == 0
    assert not Path(idle.instance(one)["folder"]).exists()
