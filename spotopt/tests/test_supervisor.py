"""Programs run together: real processes, real signals."""

import functools
import http.server
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from spotopt.lib import processes
from spotopt.lib.supervisor import (
    Backoff,
    Ended,
    Program,
    StartError,
    Supervisor,
    answers,
    prints,
)

PROJECT = Path(__file__).resolve().parents[2]
SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPER
# A parent whose child shares its group; the child's id is the first thing it says.
PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {STUBBORN!r}], stdout=subprocess.DEVNULL)
print("child", child.pid, flush=True)
time.sleep(600)
"""


def python(name: str, code: str, **options) -> Program:
    return Program(name=name, argv=[sys.executable, "-c", code], **options)


def await_true(question: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


@pytest.fixture
def out():
    return io.StringIO()


@pytest.fixture
def supervisor(out):
    with Supervisor(out=out) as supervisor:
        yield supervisor


def test_a_program_is_ready_when_it_says_so(supervisor, out):
    run = supervisor.start(python("sleeper", SLEEPER, ready=prints("up")))
    assert run.alive()
    assert supervisor["sleeper"] is run
    assert "sleeper    | up\n" in out.getvalue()


def test_each_has_a_group_of_its_own(supervisor):
    first = supervisor.start(python("first", SLEEPER))
    second = supervisor.start(python("second", SLEEPER))
    assert len({os.getpgid(first.pid), os.getpgid(second.pid), os.getpgrp()}) == 3


def test_a_program_is_ready_when_its_address_answers(supervisor, tmp_path):
    pages = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    server = http.server.HTTPServer(("127.0.0.1", 0), pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        supervisor.start(python("web", SLEEPER, ready=answers(f"{address}/")))
        missing = f"{address}/missing"
        supervisor.start(python("lenient", SLEEPER, ready=answers(missing, below=500)))
        with pytest.raises(StartError, match=r"not ready within 0\.3 s"):
            supervisor.start(python("other", SLEEPER, ready=answers(missing), ready_seconds=0.3))
    finally:
        server.shutdown()
        server.server_close()


def test_one_that_ends_before_it_is_ready_is_an_error_with_its_last_words(supervisor):
    with pytest.raises(StartError, match=r"broken ended before it was ready\n.*port taken"):
        supervisor.start(
            python("broken", "import sys; sys.exit('port taken')", ready=prints("never"))
        )


def test_one_that_does_not_exist_is_an_error(supervisor):
    program = Program(name="ghost", argv=["/no/such/program"], ready=prints("never"))
    with pytest.raises(StartError, match="/no/such/program could not be started"):
        supervisor.start(program)
    with pytest.raises(StartError, match="could not be started"):
        supervisor.start(python("lost", SLEEPER, cwd=Path("/no/such/folder")))


def test_one_that_is_late_is_stopped(supervisor):
    with pytest.raises(StartError):
        supervisor.start(python("late", PARENT, ready=prints("never"), ready_seconds=1))
    with pytest.raises(KeyError):
        supervisor["late"]


def test_environment_folder_and_log_are_the_programs_own(supervisor, out, tmp_path):
    code = "import os; print(os.environ['COLOUR'], os.getcwd(), 'HOME' in os.environ or 'PATH')"
    log = tmp_path / "logs" / "program.log"
    supervisor.start(python("own", code, env={"COLOUR": "red"}, cwd=tmp_path, log=log))
    assert supervisor.wait(20) == Ended("own", 0)
    assert log.read_text().startswith(f"red {tmp_path}")
    assert out.getvalue() == ""


def test_the_end_of_one_is_reported_with_its_code(supervisor):
    supervisor.start(python("lasting", SLEEPER))
    assert supervisor.wait(0.05) is None
    supervisor.start(python("short", "raise SystemExit(3)"))
    assert supervisor.wait(20) == Ended("short", 3)
    os.kill(supervisor["lasting"].pid, signal.SIGKILL)
    assert supervisor.wait(20) == Ended("lasting", -signal.SIGKILL)


def test_stopping_goes_backwards(out):
    polite = (
        "import signal, sys, time\n"
        "def bye(*_): print('bye', flush=True); sys.exit()\n"
        "signal.signal(signal.SIGTERM, bye); print('up', flush=True); time.sleep(600)"
    )
    with Supervisor(out=out) as supervisor:
        for name in ("database", "web", "guard"):
            supervisor.start(python(name, polite, ready=prints("up")))
    farewells = [line.split()[0] for line in out.getvalue().splitlines() if "bye" in line]
    assert farewells == ["guard", "web", "database"]


def test_one_that_ignores_the_request_is_killed_with_its_children(out):
    with Supervisor(out=out) as supervisor:
        stubborn = supervisor.start(
            python("stubborn", STUBBORN, ready=prints("up"), stop_seconds=0.2)
        )
        parent = supervisor.start(python("parent", PARENT, ready=prints("child")))
        child = int(parent.recent[0].split()[1])
        pids = [stubborn.pid, parent.pid, child]
    await_true(lambda: not any(processes.alive(pid) for pid in pids))
    supervisor.stop()  # a second time does no harm


def test_what_a_dead_program_leaves_is_removed(supervisor):
    parent = supervisor.start(python("parent", PARENT, ready=prints("child")))
    child = int(parent.recent[0].split()[1])
    os.kill(parent.pid, signal.SIGKILL)
    assert supervisor.wait(20) == Ended("parent", -signal.SIGKILL)
    await_true(lambda: not processes.alive(child))


def test_a_restarted_program_comes_back_with_growing_pauses(supervisor, out):
    policy = Backoff(first=0.01, longest=0.05)
    run = supervisor.start(python("phoenix", "raise SystemExit(1)", restart=policy))
    await_true(lambda: run.starts >= 4)
    supervisor.stop_one("phoenix")
    starts = run.starts
    assert "starting it again in 0.01 s" in out.getvalue()
    assert "starting it again in 0.04 s" in out.getvalue()
    assert supervisor.wait(0.1) is None, "its ends are nobody's concern"
    assert run.starts == starts


def test_a_killed_program_is_restarted(supervisor):
    run = supervisor.start(
        python("phoenix", SLEEPER, restart=Backoff(first=0.01), ready=prints("up"))
    )
    first = run.pid
    os.kill(first, signal.SIGKILL)
    await_true(lambda: run.starts == 2 and run.alive())
    assert run.pid != first


def test_a_stop_does_not_wait_for_a_pause_to_end(out):
    with Supervisor(out=out) as supervisor:
        supervisor.start(
            python("slow", "raise SystemExit(1)", restart=Backoff(first=600, longest=600))
        )
        await_true(lambda: "starting it again in 600 s" in out.getvalue())


def test_pauses_double_up_to_the_longest():
    policy = Backoff(first=0.5, longest=30)
    pauses = [policy.after(failures) for failures in (0, 1, 2, 6, 10_000)]
    assert pauses == [0.5, 1, 2, 30, 30]


ORPHANS = f"""
import sys
from spotopt.lib import supervisor as module
from spotopt.lib.supervisor import Program, Supervisor, prints
module.ORPHAN_GRACE = 0.5
supervisor = Supervisor()
for name, code in (("plain", {SLEEPER!r}), ("parent", {PARENT!r}), ("stubborn", {STUBBORN!r})):
    supervisor.start(Program(name=name, argv=[sys.executable, "-c", code],
                             ready=prints("child" if name == "parent" else "up")))
print("pids", supervisor["plain"].pid, supervisor["parent"].pid, supervisor["stubborn"].pid,
      supervisor["parent"].recent[0].split()[1], flush=True)
supervisor.wait()
"""


def test_nothing_outlives_a_killed_supervisor():
    process = subprocess.Popen(
        [sys.executable, "-c", ORPHANS], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    line = next(line for line in process.stdout if line.startswith("pids"))
    pids = [int(pid) for pid in line.split()[1:]]
    assert len(pids) == 4
    assert all(processes.alive(pid) for pid in pids)
    process.kill()
    process.communicate()
    await_true(lambda: not any(processes.alive(pid) for pid in pids))
