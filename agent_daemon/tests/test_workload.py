"""The workload, moved by hooks."""

from __future__ import annotations

import json
import threading
import time

import pytest
from spotopt_agent.server import Ended
from spotopt_agent.statedir import SNAPSHOT

from .support.parts import INSTANCE_ID


@pytest.fixture
def primary(parts):
    parts.session.register()
    return parts


@pytest.fixture
def standby(parts, server):
    server.role, server.replica_id = "standby", "r-1"
    parts.session.register()
    return parts


def kinds(parts) -> list[str]:
    return [event["kind"] for event in parts.queued()]


def test_settling_as_primary_starts_the_workload_once(primary, hooks):
    hooks.add_all("promoted")
    primary.workload.settle()
    primary.workload.settle()
    assert hooks.ran() == ["promoted"]
    assert kinds(primary) == ["hook_finished", "workload_started"]
    assert primary.queued()[0]["data"].keys() == {"hook", "exit_code", "seconds"}


def test_settling_as_standby_starts_nothing(standby, hooks):
    hooks.add_all("promoted")
    standby.workload.settle()
    assert hooks.ran() == []
    assert standby.registrar.current.role == "standby"


def test_without_a_hook_it_is_primary_all_the_same(standby):
    assert standby.workload.start() is None
    assert standby.registrar.current.role == "primary"
    assert standby.registrar.current.started
    assert kinds(standby) == []


def test_a_start_that_fails_is_told_and_not_repeated(standby, hooks):
    hooks.add("promoted", exit_code=1)
    assert standby.workload.start().exit_code == 1
    # The heartbeat may have brought it before the command asks: it is told the same.
    assert standby.workload.start().exit_code == 1
    assert hooks.ran() == ["promoted"]
    assert kinds(standby) == ["hook_finished"]


def test_a_start_cut_short_by_the_agents_death_is_repeated(standby, hooks):
    hooks.add_all("promoted")
    standby.registrar.update(role="primary", started=False)  # as it was when the agent died
    standby.workload.settle()
    assert hooks.ran() == ["promoted"]


def test_before_registration_nothing_is_started(parts, hooks):
    hooks.add_all("promoted")
    parts.workload.settle()
    assert parts.workload.start() is None
    assert hooks.ran() == []


def test_hooks_know_whose_they_are(primary, hooks, tmp_path):
    hooks.add("promoted", f"env > {tmp_path}/env")
    primary.workload.settle()
    text = (tmp_path / "env").read_text()
    assert "SPOTOPT_AGENT_ID=agent-1\n" in text
    assert f"SPOTOPT_INSTANCE_ID={INSTANCE_ID}\n" in text
    assert "SPOTOPT_ROLE=primary\n" in text
    assert "SPOTOPT_HOOK=promoted\n" in text


def test_a_snapshot_is_restored_once_and_first(primary, hooks, tmp_path):
    hooks.add("restore", f"cat > {tmp_path}/got")
    hooks.add_all("promoted")
    primary.statedir.write(SNAPSHOT, {"a": [1]})
    primary.workload.settle()
    primary.workload.settle()
    assert hooks.ran() == ["restore", "promoted"]
    assert json.loads((tmp_path / "got").read_text()) == {"a": [1]}
    assert primary.statedir.read(SNAPSHOT) is None


def test_a_snapshot_is_not_restored_under_a_running_workload(primary, hooks):
    hooks.add_all("restore", "promoted")
    primary.workload.settle()
    primary.statedir.write(SNAPSHOT, {"a": 1})
    primary.workload.settle()
    assert hooks.ran() == ["promoted"]
    assert primary.statedir.read(SNAPSHOT) is None


def test_handing_over_is_quiesce_then_sync(primary, hooks):
    hooks.add_all("quiesce", "sync")
    assert primary.workload.hand_over(seconds=5) is None
    assert hooks.ran() == ["quiesce", "sync"]
    assert kinds(primary) == ["hook_finished", "workload_stopped", "hook_finished"]


def test_handing_over_twice_quiesces_once_and_syncs_again(primary, hooks):
    hooks.add_all("quiesce", "sync")
    primary.workload.hand_over(seconds=5)
    primary.workload.hand_over(seconds=5)
    assert hooks.ran() == ["quiesce", "sync", "sync"]


def test_handing_over_without_hooks_is_no_problem(primary):
    assert primary.workload.hand_over(seconds=5) is None
    assert kinds(primary) == []


@pytest.mark.parametrize(("failing", "words"), [("quiesce", "quiesce"), ("sync", "sync hook")])
def test_what_went_wrong_is_said_and_the_rest_done(primary, hooks, failing, words):
    hooks.add_all("quiesce", "sync")
    hooks.add(failing, exit_code=1)
    assert words in primary.workload.hand_over(seconds=5)
    assert hooks.ran() == ["quiesce", "sync"]


def test_a_failed_quiesce_is_no_stop(primary, hooks):
    hooks.add("quiesce", exit_code=1)
    primary.workload.hand_over(seconds=5)
    assert "workload_stopped" not in kinds(primary)


def test_both_hooks_share_one_time(primary, hooks):
    hooks.add("quiesce", "sleep 0.2")
    hooks.add("sync", "sleep 60")
    began = time.monotonic()
    assert "sync hook ended with 124" in primary.workload.hand_over(seconds=0.6)
    assert time.monotonic() - began < 5


def test_resuming_starts_what_was_quiesced_and_only_that(primary, hooks):
    hooks.add_all("promoted", "quiesce")
    primary.workload.settle()
    assert primary.workload.resume() is None
    primary.workload.hand_over(seconds=5)
    assert primary.workload.resume().exit_code == 0
    assert primary.workload.resume() is None
    assert hooks.ran() == ["promoted", "quiesce", "promoted"]
    assert kinds(primary)[-1] == "workload_started"


def test_after_resuming_it_can_be_quiesced_again(primary, hooks):
    hooks.add_all("promoted", "quiesce")
    primary.workload.hand_over(seconds=5)
    primary.workload.resume()
    primary.workload.hand_over(seconds=5)
    assert hooks.ran() == ["quiesce", "promoted", "quiesce"]


def test_a_background_sync_reports_no_event(standby, hooks):
    hooks.add_all("sync")
    standby.workload.sync(seconds=5, report=False)
    assert kinds(standby) == []


def test_two_syncs_do_not_run_at_once(standby, hooks, tmp_path):
    hooks.add("sync", f"mkdir {tmp_path}/running || exit 9; sleep 0.2; rmdir {tmp_path}/running")
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda: codes.append(standby.workload.sync(seconds=10).exit_code))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert codes == [0, 0, 0]


def test_a_sync_that_waits_too_long_for_another_is_out_of_time(standby, hooks):
    hooks.add("sync", "sleep 60")
    thread = threading.Thread(target=standby.workload.sync, kwargs={"seconds": 60})
    thread.start()
    hooks.wait_ran("sync")
    assert standby.workload.sync(seconds=0.1).exit_code == 124
    standby.workload.stop()
    thread.join(5)


def test_stopping_waits_for_nothing_and_lets_nothing_follow(standby, hooks):
    hooks.add("promoted", "sleep 60")
    hooks.add_all("fenced", "sync", "quiesce")
    thread = threading.Thread(target=standby.workload.start)
    thread.start()
    hooks.wait_ran("promoted")
    began = time.monotonic()
    standby.workload.stop()
    assert time.monotonic() - began < 5
    thread.join(5)
    assert standby.workload.sync(seconds=5) is None
    assert standby.workload.resume() is None
    standby.workload.hand_over(seconds=5)
    assert hooks.ran() == ["promoted", "fenced"]
    assert "workload_started" not in kinds(standby)


def test_stopping_twice_is_once(primary, hooks):
    hooks.add_all("fenced")
    primary.workload.stop()
    primary.workload.stop()
    assert hooks.ran() == ["fenced"]


def test_the_state_of_a_primary(primary, hooks):
    hooks.add("state", """echo '{"cursor": 42}'""")
    assert primary.workload.state() == {"cursor": 42}
    assert kinds(primary) == []


@pytest.mark.parametrize(
    "script",
    [
        "echo nonsense",
        "echo '[1]'",
        "echo '{\"a\": NaN}'",
        "echo '{\"a\": Infinity}'",
        "true",
        "echo '{}'; exit 1",
        """head -c 300000 /dev/zero | tr '\\0' ' '; echo '{}'""",
        """head -c 200000 /dev/zero | tr '\\0' '['""",
    ],
)
def test_what_is_no_state_is_not_sent(primary, hooks, script):
    hooks.add("state", script)
    assert primary.workload.state() is None


def test_a_standby_has_no_state(standby, hooks):
    hooks.add("state", "echo '{}'")
    assert standby.workload.state() is None
    assert hooks.ran() == []


def cut_short(parts, function) -> None:
    """Runs ``function`` and ends the agent while its hook runs."""
    ended = threading.Event()

    def run() -> None:
        try:
            function()
        except Ended:
            ended.set()

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 5
    while not parts.hooks._running:
        assert time.monotonic() < deadline
    parts.hooks.close()
    thread.join(5)
    assert ended.is_set()


def test_a_start_cut_short_by_the_agents_end_is_not_done(primary, hooks):
    hooks.add("promoted", "sleep 60")
    cut_short(primary, primary.workload.settle)
    assert primary.registrar.current.started is False
    assert kinds(primary) == []


def test_a_restore_cut_short_is_done_again(primary, hooks):
    hooks.add("restore", "sleep 60")
    primary.statedir.write(SNAPSHOT, {"a": 1})
    cut_short(primary, primary.workload.settle)
    assert primary.statedir.read(SNAPSHOT) == {"a": 1}


def test_a_quiesce_cut_short_is_no_quiesce(primary, hooks):
    hooks.add("quiesce", "sleep 60")
    cut_short(primary, lambda: primary.workload.hand_over(seconds=60))
    assert kinds(primary) == []
