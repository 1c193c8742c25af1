"""A simulator in a process of its own, and what tests ask of it."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "ami-simulated00000000"
STARTING = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(check: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What `check` returns once it is truthy."""
    until = time.monotonic() + seconds
    while True:
        if found := check():
            return found
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds} s")
        time.sleep(0.02)


class Sim:
    """A running simulator. `account` None means boto3's own default credentials."""

    def __init__(self, *arguments: str, speed: float = 100) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "simulator", "--port", str(self.port)),
                *("--speed", str(speed), *arguments),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self.process.stdout
        self.greeting = self.process.stdout.readline().strip()

    def stop(self, how: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(30)
        finally:
            if self.process.stdout:
                self.process.stdout.close()

    # The control interface

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_sim/{path}", data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def state(self) -> Any:
        status, told = self.ask("GET", "")
        assert status == 200
        return told

    def instance(self, instance_id: str) -> Any:
        status, told = self.ask("GET", f"instances/{instance_id}")
        assert status == 200, told
        return told

    def fault(self, **fault: Any) -> Any:
        status, told = self.ask("POST", "faults", fault)
        assert status == 200, told
        return told

    def interrupt(self, instance_id: str, kind: str, **more: Any) -> Any:
        body = {"instance_id": instance_id, "kind": kind, **more}
        status, told = self.ask("POST", "interrupt", body)
        assert status == 200, told
        return told

    def reset(self) -> None:
        assert self.ask("POST", "reset")[0] == 200

    # The simulated AWS

    def client(self, service: str, region: str = "us-east-1", **credentials: str) -> Any:
        keys = credentials or {"aws_access_key_id": "any", "aws_secret_access_key": "thing"}
        config = Config(retries={"total_max_attempts": 1}, read_timeout=30, max_pool_connections=32)
        make: Any = boto3.client
        return make(service, endpoint_url=self.url, region_name=region, config=config, **keys)

    def as_account(self, account: str) -> dict[str, str]:
        """Credentials of another account, by an assumed role."""
        made = self.client("sts").assume_role(
            RoleArn=f"arn:aws:iam::{account}:role/spotopt", RoleSessionName="test"
        )["Credentials"]
        return {
            "aws_access_key_id": made["AccessKeyId"],
            "aws_secret_access_key": made["SecretAccessKey"],
            "aws_session_token": made["SessionToken"],
        }

    def launch(self, script: str | None = None, *, spot: bool = True, **more: Any) -> str:
        """Run one instance; returns its id."""
        return str(self.launch_fully(script, spot=spot, **more)["InstanceId"])

    def launch_fully(self, script: str | None = None, *, spot: bool = True, **more: Any) -> Any:
        ec2 = more.pop("ec2", None) or self.client("ec2")
        arguments: dict[str, Any] = {
            "ImageId": IMAGE,
            "InstanceType": "m5.large",
            "MinCount": 1,
            "MaxCount": 1,
        }
        if spot:
            arguments["InstanceMarketOptions"] = {"MarketType": "spot"}
        if script is not None:
            arguments["UserData"] = script
        arguments.update(more)
        return ec2.run_instances(**arguments)["Instances"][0]

    def wait_state(self, instance_id: str, state: str) -> dict[str, Any]:
        def there() -> Any:
            told = self.instance(instance_id)
            return told if told["state"] == state else None

        found: dict[str, Any] = eventually(there)
        return found

    def wait_file(self, instance_id: str, name: str) -> str:
        """The content of a file that the machine's user data writes, ended by a newline."""
        file = Path(self.instance(instance_id)["folder"]) / name
        eventually(lambda: file.exists() and file.read_text().endswith("\n"))
        return file.read_text().strip()

    # A machine's metadata service

    def metadata(
        self, ip: str, path: str, *, method: str = "GET", headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection(ip, 1338, timeout=10)
        try:
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def metadata_token(self, ip: str) -> str:
        wanted = {"X-aws-ec2-metadata-token-ttl-seconds": "600"}
        status, token = self.metadata(ip, "/latest/api/token", method="PUT", headers=wanted)
        assert status == 200
        return token

    def item(self, ip: str, path: str) -> tuple[int, str]:
        """A metadata item, asked for as it should be."""
        token = self.metadata_token(ip)
        return self.metadata(ip, path, headers={"X-aws-ec2-metadata-token": token})


def code_of(error: Any) -> str:
    """The AWS code of a ClientError that pytest.raises caught."""
    return str(error.value.response["Error"]["Code"])


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def alive(process: int) -> bool:
    """Whether a process exists and isn't a zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
