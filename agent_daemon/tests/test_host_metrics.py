"""Load from /proc."""

from __future__ import annotations

import pytest
from spotopt_agent.host_metrics import HostMetrics

NET = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo: 99999999 1 0 0 0 0 0 0 99999999 1 0 0 0 0 0 0
  eth0: {received} 10 0 0 0 0 0 0 {sent} 20 0 0 0 0 0 0
  eth1:{received} 10 0 0 0 0 0 0 {sent} 20 0 0 0 0 0 0
"""
MEMORY = "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    250 kB\n"


@pytest.fixture
def proc(tmp_path, monkeypatch):
    """A /proc whose counters, and the moment they are read at, the test sets."""
    (tmp_path / "net").mkdir()
    (tmp_path / "meminfo").write_text(MEMORY)

    def write(at: float, *, user: int, idle: int, iowait: int = 0, net: int = 0) -> None:
        monkeypatch.setattr("spotopt_agent.host_metrics.time.monotonic", lambda: at)
        (tmp_path / "stat").write_text(f"cpu  {user} 0 0 {idle} {iowait} 0 0 0 0 0\ncpu0 1 1 1\n")
        (tmp_path / "net" / "dev").write_text(NET.format(received=net, sent=2 * net))

    write(100.0, user=1000, idle=9000)
    return tmp_path, write


def read(metrics: HostMetrics) -> dict[str, float]:
    """What is known, where something must be."""
    found = metrics.read()
    assert found is not None
    return found


def test_between_two_reads(proc):
    folder, write = proc
    metrics = HostMetrics(folder)
    write(110.0, user=1300, idle=9600, iowait=100, net=1_250_000)
    assert metrics.read() == {
        "cpu_utilization": 30.0,
        "memory_utilization": 75.0,
        "network_in_mbps": 2.0,
        "network_out_mbps": 4.0,
    }


def test_each_read_begins_where_the_last_ended(proc):
    folder, write = proc
    metrics = HostMetrics(folder)
    write(110.0, user=2000, idle=9000)
    metrics.read()
    write(120.0, user=2000, idle=10000)
    assert read(metrics)["cpu_utilization"] == 0.0


def test_no_time_no_metrics(proc):
    folder, _ = proc
    assert HostMetrics(folder).read() is None


def test_counters_that_go_back_are_not_negative(proc):
    folder, write = proc
    write(100.0, user=1000, idle=9000, net=1000)
    metrics = HostMetrics(folder)
    write(110.0, user=1100, idle=9900, net=0)
    assert read(metrics)["network_in_mbps"] == 0.0


@pytest.mark.parametrize("name", ["stat", "meminfo", "net/dev"])
@pytest.mark.parametrize("content", [None, "", "garbage"])
def test_without_proc_there_are_none(proc, name, content):
    folder, write = proc
    metrics = HostMetrics(folder)
    write(110.0, user=1100, idle=9900)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    found = metrics.read()
    # An empty device list is a machine without a network, which is known.
    if name == "net/dev" and content is not None:
        assert found is not None
        assert found["network_in_mbps"] == 0.0
    else:
        assert found is None


def test_this_machine():
    metrics = HostMetrics()
    for _ in range(1000):
        found = metrics.read()
        if found is not None:
            break
        sum(range(100_000))
    assert found is not None
    assert 0 <= found["cpu_utilization"] <= 100
    assert 0 < found["memory_utilization"] < 100
