"""What the probes make of a workload: up, down, replaced, two primaries."""

import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from spotopt.demo import prober
from spotopt.demo.prober import Probe, Record

T = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def record(*seen, primaries=None):
    """Probes half a second apart; None is no answer."""
    made = Record("arn")
    for number, serving in enumerate(seen):
        both = primaries[number] if primaries else ((serving,) if serving else ())
        made.add(Probe(T + timedelta(seconds=number / 2), serving, tuple(both)))
    return made


def test_time_counts_from_the_first_answer():
    assert record(None, None, "i-1", "i-1", None, "i-2").up_and_down() == (1.0, 0.5)


def test_never_up_is_neither():
    assert record(None, None, None).up_and_down() == (0.0, 0.0)


def test_instances_in_their_order():
    assert record("i-1", None, "i-1", "i-2", "i-1").instances == ["i-1", "i-2", "i-1"]


def test_the_first_other_after_a_moment():
    made = record("i-1", "i-1", None, "i-2", "i-3")
    assert made.first_other("i-1", T) == T + timedelta(seconds=1.5)
    assert made.first_other("i-2", T + timedelta(seconds=1.6)) == T + timedelta(seconds=2)
    assert made.first_other("i-1", T + timedelta(seconds=9)) is None


def test_two_primaries_for_a_moment_are_a_hand_over():
    made = record("i-1", "i-2", "i-2", primaries=[["i-1"], ["i-1", "i-2"], ["i-2"]])
    assert made.two_primaries == []


def test_two_primaries_for_longer_are_told_once():
    both = ["i-1", "i-2"]
    made = record("i-1", "i-1", "i-1", "i-1", primaries=[both, both, both, ["i-1"]])
    assert len(made.two_primaries) == 1
    assert "i-1 and i-2" in made.two_primaries[0]


@pytest.fixture
def workload():
    """A workload on loopback that answers with what is put into `says`."""
    says = {"body": b'{"role": "primary"}'}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(says["body"])))
            self.end_headers()
            self.wfile.write(says["body"])

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, says
    server.shutdown()
    server.server_close()


def test_asking_a_workload(workload):
    port, says = workload
    assert prober.ask("127.0.0.1", port) == "primary"
    says["body"] = b"not json"
    assert prober.ask("127.0.0.1", port) is None


def test_nobody_there():
    assert prober.ask("127.0.0.1", 1) is None


def world(*machines, targets=()):
    return {
        "instances": [
            {"id": i, "private_ip": ip, "state": state, "tags": {"spotopt:agent": "a"}}
            for i, ip, state in machines
        ],
        "targets": [{"id": i, "target_group": "arn"} for i in targets],
    }


def probed(monkeypatch, answers, state, before=()):
    monkeypatch.setattr(prober, "ask", answers.get)
    made = record(*before)
    probe = prober.Prober("http://nowhere", {"a": made})
    probe._probe(state)
    return made.probes[-1]


def test_only_a_registered_target_serves(monkeypatch):
    state = world(("i-1", "ip1", "running"), ("i-2", "ip2", "running"), targets=["i-2"])
    assert probed(monkeypatch, {"ip1": "primary"}, state).serving is None
    assert probed(monkeypatch, {"ip2": "primary"}, state).serving == "i-2"


def test_a_machine_that_does_not_run_is_not_asked(monkeypatch):
    state = world(("i-1", "ip1", "pending"), targets=["i-1"])
    assert probed(monkeypatch, {"ip1": "primary"}, state).primaries == ()


def test_while_two_answer_the_newer_one_serves(monkeypatch):
    state = world(("i-1", "ip1", "running"), ("i-2", "ip2", "running"), targets=["i-1", "i-2"])
    both = {"ip1": "primary", "ip2": "primary"}
    seen = probed(monkeypatch, both, state, before=["i-1"])
    assert seen.serving == "i-2"
    assert seen.primaries == ("i-1", "i-2")
