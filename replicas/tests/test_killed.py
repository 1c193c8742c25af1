"""A web server killed with its launch in flight: the guard finds the machine, and there is one."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection

from clients import tokens
from replicas.models import Replica, Saga, Step
from replicas.tests.world import later
from simulator.tests.harness import eventually

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

READY = re.compile(r"Listening on TCP address \S+:(\d+)")


def environment(sim):
    parts = urlsplit(settings.DATABASE_URL)
    url = urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))
    return {
        **os.environ,
        "DATABASE_URL": url,
        "DATABASE_DIRECT_URL": url,
        "AWS_ENDPOINT_URL": sim.url,
        "SERVER_AWS_ACCOUNT": "true",
        "PUBLIC_URL": "https://spotopt.example",
        "DEFAULT_AMI": "ami-simulated00000000",
        "SECRET_KEY": settings.SECRET_KEY,
    }


def start(arguments, sim):
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=environment(sim),
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(process, how=signal.SIGTERM):
    if process.poll() is None:
        process.send_signal(how)
    process.communicate(timeout=30)


@pytest.fixture
def web(aws):
    server = start(["-m", "daphne", "-p", "0", "spotopt.asgi:application"], aws)
    said = []
    try:
        assert server.stdout is not None
        for line in server.stdout:
            said.append(line)
            if found := READY.search(line):
                yield server, int(found[1])
                return
        raise AssertionError("".join(said))
    finally:
        ended(server, signal.SIGKILL)


def test_daphne_killed_between_the_launch_and_its_commit(web, world, primary):
    server, port = web
    # Every answer to the launch is lost: it is asked again and again, and the machine is there.
    world.sim.fault(kind="lost_answer", action="RunInstances", count=1000)

    def notice():
        caller = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        body = json.dumps({"signal_type": "termination-notice"})
        head = {
            "Authorization": f"Bearer {primary.token}",
            "Content-Type": "application/json",
        }
        try:
            caller.request("POST", primary.path("termination"), body, head)
            caller.getresponse().read()
        except (OSError, http.client.HTTPException):
            pass  # it is killed before it can answer
        finally:
            caller.close()

    asking = threading.Thread(target=notice)
    asking.start()
    [instance_id] = eventually(lambda: world.launched, 30)
    server.send_signal(signal.SIGKILL)
    server.wait(10)
    asking.join(30)

    replica = Replica.objects.get()
    assert replica.instance is None
    assert Saga.objects.get().lease_owner is not None  # the dead one's
    assert replica.steps.get(name="launch").outcome in (Step.Outcome.INTENDED, Step.Outcome.UNKNOWN)
    world.sim.ask("DELETE", "faults")
    # Its lease has run out: the half minute is not waited for here.
    Saga.objects.update(lease_until=later(seconds=-1)())

    guard = start(["manage.py", "guard"], world.sim)
    try:
        eventually(lambda: Replica.objects.get().instance, 30)
    finally:
        ended(guard)
    assert guard.returncode == 0
    assert world.instance_of_replica == instance_id
    assert world.launched == [instance_id]
    fresh = world.boot(instance_id)
    assert world.primaries(primary.agent_id) == [fresh.instance_id]
    world.settled()
    assert world.billing() == {instance_id}
    assert tokens.lookup(fresh.token, later()()) is not None
