"""Where a failover can be hit: each step is a function of the product, named by its module."""

from dataclasses import dataclass
from types import ModuleType

from agents import instances, registration
from replicas import (
    interruptions,
    launching,
    lifecycle,
    promotion,
    retirement,
    sagas,
    situation,
    standing,
)
from spotopt.cloud import compute, routing


@dataclass(frozen=True)
class Point:
    """A step; `until` is the furthest state of the standby from which it is still reached."""

    name: str
    module: ModuleType
    function: str
    until: str

    @property
    def launches(self) -> bool:
        """Whether a launch may still follow it."""
        return self.until == "none"


# In the order of a failover.
POINTS: tuple[Point, ...] = (
    Point("signal", interruptions, "record", "ready"),
    Point("begin", sagas, "begin", "none"),
    Point("look", situation, "look", "none"),
    Point("intend", launching, "_intend", "none"),
    Point("launch", compute, "launch", "none"),
    Point("adopt", launching, "adopt", "none"),
    Point("register", registration, "register", "launching"),
    Point("registered", lifecycle, "registered", "launching"),
    Point("synced", lifecycle, "synced", "launching"),
    Point("stand", standing, "stand", "launching"),
    Point("escalate", sagas, "escalate", "ready"),
    Point("quiesce", standing, "quiesce", "ready"),
    Point("route", routing, "register", "ready"),
    Point("rebind", instances, "rebind", "ready"),
    Point("promote", promotion, "_rebind", "ready"),
    Point("deroute", routing, "deregister", "ready"),
    Point("terminate", compute, "terminate", "ready"),
    Point("confirm", compute, "describe", "ready"),
    Point("end", retirement, "_end", "ready"),
)
BY_NAME = {point.name: point for point in POINTS}
