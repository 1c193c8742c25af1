"""The project's pulse: the whole product, real processes, a short play."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PYTHON = [sys.executable, str(ROOT / "manage.py"), "demo"]

pytestmark = pytest.mark.processes


def marked(mark: str) -> list[int]:
    """Living processes that carry this mark in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment = (entry / "environ").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if mark.encode() in environment and state != "Z":
                found.append(int(entry.name))
    return found


def environment(mark: str) -> dict[str, str]:
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("DATABASE", "DATA_DIR", "DJANGO"))
    }
    return {**kept, "DEMO_TEST_MARK": mark}


def gone(mark: str) -> list[int]:
    """What is left after a short grace."""
    until = time.monotonic() + 30
    while (left := marked(mark)) and time.monotonic() < until:
        time.sleep(0.1)
    return left


def test_machines_survive_and_the_report_says_so(tmp_path):
    path = tmp_path / "report.json"
    mark = f"headless-{os.getpid()}"
    words = [
        "--headless",
        "--minutes",
        "0.5",
        "--speed",
        "10",
        "--seed",
        "3",
        "--report",
        str(path),
    ]
    ended = subprocess.run(
        [*PYTHON, *words],
        env=environment(mark),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert path.exists(), ended.stdout + ended.stderr
    report = json.loads(path.read_text())
    assert report["violations"] == []
    assert ended.returncode == 0, ended.stderr
    assert len(report["agents"]) == 3
    losses = [one for one in report["interruptions"] if one["kind"] != "rebalance"]
    assert len(losses) >= 3
    assert {one["kind"] for one in report["interruptions"]} == {"notice", "rebalance", "death"}
    for one in losses:
        times = [one[key] for key in ("raised_at", "received_at", "acted_at", "promoted_at")]
        assert None not in times, one
        raised, *later = (datetime.fromisoformat(moment) for moment in times)
        assert all(moment >= raised for moment in later), one
        assert one["outcome"] in (
            "promoted_replica",
            "created_emergency_replica",
            "launched_on_demand",
        )
    assert any(one["standby_was_ready"] for one in losses)
    instances = report["instances"]
    assert instances["launched"] == instances["terminated"] + instances["billing"]
    assert report["cost_usd"] > 0
    assert report["on_demand_cost_usd"] > 0
    assert gone(mark) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill -9"])
def test_nothing_is_left_behind_however_it_ends(number):
    mark = f"ended-{number}-{os.getpid()}"
    demo = subprocess.Popen(
        [*PYTHON, "--speed", "10", "--port", "0"],
        env=environment(mark),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert demo.stdout is not None
    said = []
    for line in demo.stdout:
        said.append(line)
        if "Ctrl-C" in line:
            break
    assert any("live at http://" in line for line in said), "".join(said)
    assert len(marked(mark)) > 5
    demo.send_signal(number)
    demo.wait(timeout=60)
    demo.stdout.close()
    assert gone(mark) == []


@pytest.mark.parametrize("words", [["--speed", "0"], ["--minutes", "-1"], ["--speed", "fast"]])
def test_nonsense_is_refused(words):
    ended = subprocess.run(
        [*PYTHON, "--headless", *words],
        env=environment("refused"),
        capture_output=True,
        check=False,
    )
    assert ended.returncode != 0
    assert words[0].encode() in ended.stderr
