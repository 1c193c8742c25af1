"""The end of a simulator: nothing that it started outlives it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .harness import ROOT, Sim, alive, eventually, free_port

SCRIPT = "#!/bin/sh\nsetsid sleep 300 &\necho $! >> pids\necho $$ >> pids\necho up > up\nexec sleep 300\n"


@pytest.fixture
def own():
    """A simulator of the test's own."""
    sim = Sim(speed=200)
    yield sim
    sim.stop()


def running(sim) -> tuple[list[int], Path]:
    """Processes of a booted machine, and its folder."""
    one = sim.launch(SCRIPT)
    sim.wait_file(one, "up")
    folder = Path(sim.instance(one)["folder"])
    return [int(each) for each in (folder / "pids").read_text().split()], folder


def test_it_says_when_it_is_ready(own):
    assert own.greeting == f"simulator ready on {own.url}"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_clean_end_leaves_neither_process_nor_folder(own, how):
    pids, folder = running(own)
    assert all(alive(pid) for pid in pids)
    assert own.stop(how) == 0
    assert not any(alive(pid) for pid in pids)
    assert not folder.parent.exists()


def test_even_killed_it_leaves_no_process(tmp_path):
    sim = Sim("--workdir", str(tmp_path), speed=200)
    pids, _ = running(sim)
    sim.stop(signal.SIGKILL)
    eventually(lambda: not any(alive(pid) for pid in pids))


def test_a_folder_that_was_given_stays(tmp_path):
    sim = Sim("--workdir", str(tmp_path / "machines"), speed=200)
    try:
        _, folder = running(sim)
        assert folder.parent == tmp_path / "machines"
    finally:
        assert sim.stop() == 0
    assert (folder / "up").exists()


def test_the_path_given_comes_first(tmp_path):
    tool = tmp_path / "spotopt-agent"
    tool.write_text("#!/bin/sh\necho agent $1\n")
    tool.chmod(0o755)
    sim = Sim("--path", str(tmp_path), speed=200)
    try:
        one = sim.launch("#!/bin/sh\nspotopt-agent run > out\n")
        assert sim.wait_file(one, "out") == "agent run"
    finally:
        sim.stop()


def test_two_simulators_live_side_by_side(own):
    other = Sim(speed=200)
    try:
        first, second = own.launch(), other.launch()
        here, there = own.instance(first), other.instance(second)
        assert here["private_ip"] != there["private_ip"]
        assert own.item(here["private_ip"], "/latest/meta-data/instance-id")[1] == first
        assert other.item(there["private_ip"], "/latest/meta-data/instance-id")[1] == second
    finally:
        other.stop()


def test_a_port_that_is_taken_is_said_plainly(own):
    done = subprocess.run(
        [sys.executable, "-m", "simulator", "--port", str(own.port)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "can't listen" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_price_file_is_said_plainly(tmp_path):
    file = tmp_path / "prices.csv"
    file.write_text("a,b\n1,2\n")
    done = subprocess.run(
        [sys.executable, "-m", "simulator", "--port", str(free_port()), "--prices", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "line 2" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["--speed", "0"], ["--speed", "-1"], ["--prices", "/no/such/file"], ["--boot-seconds", "0"]],
)
def test_bad_arguments_are_refused(arguments):
    done = subprocess.run(
        [sys.executable, "-m", "simulator", "--port", "1", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "error" in done.stderr
