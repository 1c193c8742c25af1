"""Running hooks."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from spotopt_agent.hooks import NOT_STARTED, TIMED_OUT, Hooks
from spotopt_agent.server import Ended


@pytest.fixture
def run(hooks):
    """Runs hooks of the folder."""
    return Hooks(
        hooks.path, environment={"PATH": os.environ["PATH"], "HOME": "/", "SPOTOPT_TOKEN": "secret"}
    )


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie is dead; nobody but its parent can tell it so.
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def wait_for(condition, seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_hook_that_is_not_there_is_fine(run):
    assert run.run("sync", seconds=5) is None
    assert run.present() == []


def test_only_executables_are_present(run, hooks):
    hooks.add_all("sync", "promoted")
    (hooks.path / "fenced").write_text("#!/bin/sh\n")
    (hooks.path / "quiesce").mkdir()
    (hooks.path / "unknown").write_text("#!/bin/sh\n")
    (hooks.path / "unknown").chmod(0o755)
    assert run.present() == ["promoted", "sync"]


@pytest.mark.parametrize("code", [0, 1, 77])
def test_the_exit_code_is_told(run, hooks, code):
    hooks.add("sync", exit_code=code)
    finished = run.run("sync", seconds=5)
    assert finished.hook == "sync"
    assert finished.exit_code == code
    assert 0 <= finished.seconds < 5


def test_output_is_kept_and_errors_are_apart(run, hooks):
    hooks.add("state", "echo '{}'; echo complaint >&2")
    assert run.run("state", seconds=5).output == b"{}\n"


def test_what_it_gets(run, hooks, tmp_path):
    hooks.add("restore", f"env > {tmp_path}/env; cat > {tmp_path}/stdin; pwd > {tmp_path}/cwd")
    run.run("restore", seconds=5, stdin=b'{"a": 1}', SPOTOPT_ROLE="standby")
    environment = dict(
        line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines() if "=" in line
    )
    assert environment["SPOTOPT_HOOK"] == "restore"
    assert environment["SPOTOPT_ROLE"] == "standby"
    assert environment["HOME"] == "/"
    assert (tmp_path / "stdin").read_text() == '{"a": 1}'


def test_the_token_is_kept_from_it(run, hooks, tmp_path):
    hooks.add("sync", f"env > {tmp_path}/env")
    run.run("sync", seconds=5)
    assert "secret" not in (tmp_path / "env").read_text()


def test_large_input_is_no_trouble_where_it_is_not_read(run, hooks):
    hooks.add("restore")
    assert run.run("restore", seconds=5, stdin=b"x" * 1_000_000).exit_code == 0


def test_much_output_is_no_trouble(run, hooks):
    hooks.add("sync", "head -c 3000000 /dev/zero | tr '\\0' x")
    finished = run.run("sync", seconds=10)
    assert finished.exit_code == 0
    assert len(finished.output) == 1 << 20


def test_its_time_is_bounded_and_its_children_end_with_it(run, hooks, tmp_path):
    hooks.add("quiesce", f"sleep 60 & echo $! > {tmp_path}/child; wait")
    began = time.monotonic()
    finished = run.run("quiesce", seconds=0.3)
    assert finished.exit_code == TIMED_OUT
    assert time.monotonic() - began < 5
    child = int((tmp_path / "child").read_text())
    wait_for(lambda: not alive(child))


def test_a_workload_left_in_the_background_holds_nothing_up(run, hooks, tmp_path):
    hooks.add("promoted", f"sleep 60 & echo $! > {tmp_path}/child")
    began = time.monotonic()
    assert run.run("promoted", seconds=30).exit_code == 0
    assert time.monotonic() - began < 10
    child = int((tmp_path / "child").read_text())
    assert alive(child)
    os.kill(child, signal.SIGKILL)


def test_what_cannot_be_executed_has_an_exit_code_too(run, hooks):
    (hooks.path / "sync").write_text("no interpreter line\x00")
    (hooks.path / "sync").chmod(0o755)
    assert run.run("sync", seconds=5).exit_code == NOT_STARTED
    hooks.add("sync")
    (hooks.path / "sync").write_text("#!/no/such/interpreter\n")
    assert run.run("sync", seconds=5).exit_code == NOT_STARTED


def test_only_ends_the_others_and_lets_none_but_one_start(run, hooks):
    hooks.add("promoted", "sleep 60")
    hooks.add_all("fenced", "sync")
    results = []
    thread = threading.Thread(target=lambda: results.append(run.run("promoted", seconds=60)))
    thread.start()
    hooks.wait_ran("promoted")
    run.only("fenced")
    thread.join(5)
    assert results[0].exit_code == -signal.SIGKILL
    assert run.run("sync", seconds=5) is None
    assert run.run("fenced", seconds=5).exit_code == 0
    assert hooks.ran() == ["promoted", "fenced"]


def test_end_running_spares_the_one(run, hooks):
    hooks.add("fenced", "sleep 0.3")
    run.only("fenced")
    results = []
    thread = threading.Thread(target=lambda: results.append(run.run("fenced", seconds=60)))
    thread.start()
    hooks.wait_ran("fenced")
    run.end_running()
    thread.join(5)
    assert results[0].exit_code == 0


@pytest.mark.parametrize("name", ["promoted", "restore"])
def test_the_agents_own_end_cuts_hooks_short(run, hooks, name):
    hooks.add(name, "sleep 60")
    failures = []

    def start() -> None:
        try:
            run.run(name, seconds=60)
        except Ended as error:
            failures.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    hooks.wait_ran(name)
    run.close()
    thread.join(5)
    assert failures
    with pytest.raises(Ended):
        run.run(name, seconds=60)


def test_but_not_the_one_that_stops_the_workload(run, hooks):
    hooks.add_all("fenced")
    run.only("fenced")
    run.close()
    assert run.run("fenced", seconds=5).exit_code == 0


@pytest.mark.parametrize("seconds", [5, 0.1])
def test_without_pidfds_it_waits_the_old_way(run, hooks, monkeypatch, seconds):
    def none(_pid):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", none, raising=False)
    hooks.add("sync", "sleep 1" if seconds < 1 else "", exit_code=3)
    assert run.run("sync", seconds=seconds).exit_code == (TIMED_OUT if seconds < 1 else 3)


def test_a_full_disk_stops_no_hook(run, hooks, monkeypatch):
    def full():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("spotopt_agent.hooks.tempfile.TemporaryFile", full)
    hooks.add("state", "cat")
    assert run.run("state", seconds=5, stdin=b"{}").output == b"{}"
