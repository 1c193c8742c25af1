"""What the state folder tells."""

from __future__ import annotations

import json

from spotopt_agent import clock, status
from spotopt_agent.outbox import PRICE
from spotopt_agent.signals import NOTICE, Signal, Signals
from spotopt_agent.statedir import FENCED

from .support.parts import INSTANCE_ID


def test_everything(parts):
    parts.session.register()
    parts.events.add("agent_started", {})
    parts.events.add("notice_seen", {})
    parts.outbox.add(PRICE, "p", {}, now=clock.now())
    parts.store.set_fact("last_heartbeat", "2025-11-21T12:00:00Z")
    Signals(parts.store).record(
        Signal(INSTANCE_ID, NOTICE, "2025-11-21T12:02:00Z", "2025-11-21T12:00:00Z"),
        now=clock.now(),
    )
    assert status.read(parts.statedir.path) == {
        "instance_id": INSTANCE_ID,
        "running": True,
        "agent_id": "agent-1",
        "role": "primary",
        "replica_id": None,
        "pool_id": "t3.medium.use1-az4",
        "fenced": None,
        "last_heartbeat": "2025-11-21T12:00:00Z",
        "events_waiting": 2,
        "prices_waiting": 1,
        "signals_open": ["termination-notice 2025-11-21T12:02:00Z"],
        "commands_open": 0,
    }


def test_for_a_person(parts, capsys):
    parts.session.register()
    assert status.show(parts.settings.state_dir, as_json=False) == status.RUNNING
    text = capsys.readouterr().out
    assert "agent id" in text
    assert "agent-1" in text
    assert parts.registrar.current.token not in text


def test_for_a_script(parts, capsys):
    parts.statedir.write(FENCED, {"reason": "superseded"})
    assert status.show(parts.settings.state_dir, as_json=True) == status.RUNNING
    [state] = json.loads(capsys.readouterr().out)
    assert state["fenced"] == "superseded"


def test_where_no_agent_has_run(tmp_path, capsys):
    assert status.show(tmp_path / "none", as_json=False) == status.NO_STATE
    assert "no agent has run" in capsys.readouterr().out
    assert status.show(tmp_path / "none", as_json=True) == status.NO_STATE
    assert json.loads(capsys.readouterr().out) == []


def test_a_damaged_queue_hides_only_itself(parts):
    parts.session.register()
    parts.store.close()
    parts.statedir.database.write_bytes(b"damaged" * 1000)
    state = status.read(parts.statedir.path)
    assert state["agent_id"] == "agent-1"
    assert "events_waiting" not in state
