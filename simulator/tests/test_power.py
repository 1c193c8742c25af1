"""Mend: terminating, stopping, starting and rebooting tell the truth and take time."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from .harness import alive, code_of, eventually

COUNTER = "#!/bin/sh\necho $$ >> boots\nexec sleep 300\n"


def boots(sim, one) -> list[int]:
    file = Path(sim.instance(one)["folder"]) / "boots"
    return [int(each) for each in file.read_text().split()] if file.exists() else []


def test_terminating_goes_through_shutting_down(idle):
    ec2 = idle.client("ec2")
    one = idle.launch(ec2=ec2)
    idle.wait_state(one, "running")
    (told,) = ec2.terminate_instances(InstanceIds=[one])["TerminatingInstances"]
    assert told["PreviousState"]["Name"] == "running"
    assert told["CurrentState"] == {"Code": 32, "Name": "shutting-down"}
    done = idle.wait_state(one, "terminated")
    assert done["terminated_at"] > done["launched_at"]
    (instance,) = ec2.describe_instances(InstanceIds=[one])["Reservations"][0]["Instances"]
    assert instance["StateReason"]["Code"] == "Client.UserInitiatedShutdown"


def test_terminating_twice_changes_nothing(idle):
    ec2 = idle.client("ec2")
    one = idle.launch(ec2=ec2)
    ec2.terminate_instances(InstanceIds=[one])
    first = idle.wait_state(one, "terminated")
    (told,) = ec2.terminate_instances(InstanceIds=[one])["TerminatingInstances"]
    assert told["PreviousState"]["Name"] == told["CurrentState"]["Name"] == "terminated"
    assert idle.instance(one)["terminated_at"] == first["terminated_at"]


def test_protection_is_heeded_but_not_by_a_reclaim(idle):
    ec2 = idle.client("ec2")
    one = idle.launch(ec2=ec2)
    ec2.modify_instance_attribute(InstanceId=one, DisableApiTermination={"Value": True})
    with pytest.raises(ClientError) as error:
        ec2.terminate_instances(InstanceIds=[one])
    assert code_of(error) == "OperationNotPermitted"
    idle.interrupt(one, "death")
    idle.wait_state(one, "terminated")


def test_unknown_and_dry_runs(idle):
    ec2 = idle.client("ec2")
    with pytest.raises(ClientError) as error:
        ec2.terminate_instances(InstanceIds=["i-00000000000000000"])
    assert code_of(error) == "InvalidInstanceID.NotFound"
    one = idle.launch(ec2=ec2)
    with pytest.raises(ClientError) as error:
        ec2.terminate_instances(InstanceIds=[one], DryRun=True)
    assert code_of(error) == "DryRunOperation"
    assert idle.instance(one)["state"] in ("pending", "running")


def test_the_network_interface_goes_with_its_machine(idle):
    ec2 = idle.client("ec2")
    one = idle.launch(ec2=ec2)
    assert len(ec2.describe_network_interfaces()["NetworkInterfaces"]) == 1
    ec2.terminate_instances(InstanceIds=[one])
    idle.wait_state(one, "terminated")
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []


def test_stopping_kills_and_starting_boots_again(sim):
    ec2 = sim.client("ec2")
    one = sim.launch(COUNTER, spot=False, ec2=ec2)
    (first,) = eventually(lambda: boots(sim, one))
    (told,) = ec2.stop_instances(InstanceIds=[one])["StoppingInstances"]
    assert told["CurrentState"]["Name"] == "stopping"
    assert not alive(first)
    address = sim.wait_state(one, "stopped")["private_ip"]
    (told,) = ec2.start_instances(InstanceIds=[one])["StartingInstances"]
    assert told["CurrentState"]["Name"] == "pending"
    eventually(lambda: len(boots(sim, one)) == 2)
    assert sim.wait_state(one, "running")["private_ip"] == address
    assert sim.item(address, "/latest/meta-data/instance-id") == (200, one)


def test_nothing_is_billed_while_stopped(idle):
    ec2 = idle.client("ec2")
    one = idle.launch(spot=False, ec2=ec2)
    idle.wait_state(one, "running")
    ec2.stop_instances(InstanceIds=[one])
    idle.wait_state(one, "stopped")
    before = idle.instance(one)["cost_usd"]
    idle.ask("POST", "advance", {"seconds": 3600})
    assert idle.instance(one)["cost_usd"] == before
    assert not idle.instance(one)["bills"]


def test_a_one_time_spot_instance_cannot_be_stopped(idle):
    with pytest.raises(ClientError) as error:
        idle.client("ec2").stop_instances(InstanceIds=[idle.launch()])
    assert code_of(error) == "UnsupportedOperation"


def test_what_is_gone_cannot_be_started_or_rebooted(idle):
    ec2 = idle.client("ec2")
    one = idle.launch(spot=False, ec2=ec2)
    ec2.terminate_instances(InstanceIds=[one])
    for call in (ec2.start_instances, ec2.stop_instances, ec2.reboot_instances):
        with pytest.raises(ClientError) as error:
            call(InstanceIds=[one])
        assert code_of(error) == "IncorrectInstanceState"


def test_rebooting_runs_the_user_data_anew(sim):
    ec2 = sim.client("ec2")
    one = sim.launch(COUNTER, ec2=ec2)
    (first,) = eventually(lambda: boots(sim, one))
    ec2.reboot_instances(InstanceIds=[one])
    assert not alive(first)
    assert sim.instance(one)["state"] == "running"
    eventually(lambda: len(boots(sim, one)) == 2)
