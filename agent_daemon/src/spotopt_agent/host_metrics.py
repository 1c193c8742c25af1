"""Load of this machine, from /proc."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Optional


@dataclass(frozen=True)
class Sample:
    """Counters since boot, and the moment they were read (monotonic seconds)."""

    at: float
    busy: float
    total: float
    received: int
    sent: int


class HostMetrics:
    """Percentages and megabits a second between one call and the next."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._before = self._sample()

    def read(self) -> Optional[dict[str, float]]:
        """The four metrics since the last call, None where they cannot be known (yet)."""
        before, after = self._before, self._sample()
        self._before = after
        if before is None or after is None:
            return None
        seconds = after.at - before.at
        ticks = after.total - before.total
        memory = self._memory()
        if seconds <= 0 or ticks <= 0 or memory is None:
            return None
        return {
            "cpu_utilization": _percent((after.busy - before.busy) / ticks),
            "memory_utilization": _percent(memory),
            "network_in_mbps": _mbps(after.received - before.received, seconds),
            "network_out_mbps": _mbps(after.sent - before.sent, seconds),
        }

    def _sample(self) -> Optional[Sample]:
        try:
            cpu = [int(ticks) for ticks in self._lines("stat")[0].split()[1:9]]
            received = sent = 0
            for line in self._lines("net/dev")[2:]:
                name, _, counters = line.partition(":")
                if name.strip() != "lo":
                    columns = counters.split()
                    received += int(columns[0])
                    sent += int(columns[8])
        except (OSError, ValueError, IndexError):
            return None
        idle = sum(cpu[3:5])  # idle and iowait
        return Sample(time.monotonic(), float(sum(cpu) - idle), float(sum(cpu)), received, sent)

    def _memory(self) -> Optional[float]:
        try:
            sizes = {
                line.split(":")[0]: int(line.split()[1]) for line in self._lines("meminfo") if line
            }
            return 1 - sizes["MemAvailable"] / sizes["MemTotal"]
        except (OSError, ValueError, IndexError, KeyError, ZeroDivisionError):
            return None

    def _lines(self, name: str) -> list[str]:
        return (self._proc / name).read_text().splitlines()


def _percent(share: float) -> float:
    return round(100 * min(1.0, max(0.0, share)), 2)


def _mbps(octets: int, seconds: float) -> float:
    return round(max(0, octets) * 8 / seconds / 1e6, 3)
