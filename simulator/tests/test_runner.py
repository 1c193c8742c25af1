"""The program that runs a machine's user data, and takes all of it along."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from simulator import runner

from .harness import alive, eventually

# A child in its own session, and one whose parent has gone.
SCRIPT = """#!/bin/sh
setsid sh -c 'echo $$ >> pids; exec sleep 300' &
(sh -c 'echo $$ >> pids; exec sleep 300' &)
echo $$ >> pids; echo $$ > main
exec sleep 300
"""


@pytest.fixture
def running(tmp_path):
    script = tmp_path / "user-data"
    script.write_text(SCRIPT)
    script.chmod(0o700)
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", runner.__file__, str(script)],
        stdin=subprocess.PIPE,
        cwd=tmp_path,
        start_new_session=True,
    )
    file = tmp_path / "pids"
    eventually(lambda: file.exists() and len(file.read_text().split()) == 3)
    eventually(lambda: (tmp_path / "main").exists())
    yield process, [int(each) for each in file.read_text().split()]
    if process.stdin:
        process.stdin.close()
    process.wait(10)


def test_descendants_are_found_wherever_they_went(running):
    process, pids = running
    assert set(pids) <= set(runner.descendants(process.pid))


def test_when_the_pipe_closes_everything_is_killed(running):
    process, pids = running
    process.stdin.close()
    process.wait(10)
    assert not any(alive(pid) for pid in pids)


def test_it_shrugs_off_the_signals_of_a_terminal(running):
    process, pids = running
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(process.pid, each)
    assert process.poll() is None
    assert all(alive(pid) for pid in pids)


def test_the_script_dies_if_its_runner_is_killed(running, tmp_path):
    process, pids = running
    process.kill()
    process.wait(10)
    main = int((tmp_path / "main").read_text())
    eventually(lambda: not alive(main))
    for pid in pids:  # the others would be found by their mark; here nobody looks
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


def test_signals_reach_the_script_as_usual(tmp_path):
    script = tmp_path / "user-data"
    script.write_text("#!/bin/sh\nkill -TERM $$\necho survived > survived\n")
    script.chmod(0o700)
    command = [sys.executable, "-I", "-S", runner.__file__, str(script)]
    subprocess.run(command, stdin=subprocess.PIPE, cwd=tmp_path, check=True, timeout=20)
    assert not (tmp_path / "survived").exists()


def test_it_ends_when_all_that_ran_has_ended(tmp_path):
    script = tmp_path / "user-data"
    script.write_text("#!/bin/sh\n(sleep 0.2; echo done > done) &\n")
    script.chmod(0o700)
    command = [sys.executable, "-I", "-S", runner.__file__, str(script)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=tmp_path) as process:
        process.wait(20)
    assert (tmp_path / "done").exists()


def test_a_script_that_cannot_be_run_says_so(tmp_path):
    script = tmp_path / "user-data"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o700)
    with subprocess.Popen(
        [sys.executable, "-I", "-S", runner.__file__, str(script)],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        assert "can't be run" in process.stderr.read()
