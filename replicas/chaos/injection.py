"""Breaks one call of one function, once: the process dies, the database goes, AWS misbehaves."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.db import DEFAULT_DB_ALIAS, OperationalError, connections

from replicas.chaos.aws import Control
from replicas.chaos.cases import Case
from replicas.chaos.points import BY_NAME


class Killed(BaseException):
    """The process dies here. Nothing of the product catches it, and nothing it does afterwards counts."""


class Injection:
    """Armed around a point; `fired` once it has struck, `dead` until the next process begins."""

    def __init__(self, case: Case, aws: Control, *, zone: Callable[[], str]) -> None:
        self.case = case
        self.aws = aws
        self.armed = self.fired = self.dead = False
        self._zone = zone

    @contextmanager
    def around(self) -> Iterator[None]:
        """Put it around the point's function."""
        point = BY_NAME[self.case.point]
        real = getattr(point.module, point.function)

        @functools.wraps(real)
        def broken(*args: Any, **more: Any) -> Any:
            if not self.armed or self.fired:
                return real(*args, **more)
            self.fired = True
            return self._break(lambda: real(*args, **more))

        with mock.patch.object(point.module, point.function, broken):
            try:
                yield
            finally:
                self.revive()

    def revive(self) -> None:
        """Another process begins: with a connection of its own."""
        database = connections[DEFAULT_DB_ALIAS]
        vars(database).pop("connect", None)
        database.close()
        self.dead = False

    def _break(self, real: Callable[[], Any]) -> Any:
        fault = self.case.fault
        if fault in ("killed-before", "killed-after"):
            if fault == "killed-after":
                real()
            self._die()
        if fault == "cut-before":
            _cut()
        elif fault != "cut-after":
            self._misbehave(fault)
        result = real()
        if fault == "cut-after":
            _cut()
        return result

    def _die(self) -> None:
        self.dead = True
        _cut()

        # What `finally` and `except` do in a dying process must not reach the database.
        def refuse() -> None:
            raise OperationalError("this process is dead")

        vars(connections[DEFAULT_DB_ALIAS])["connect"] = refuse
        raise Killed

    def _misbehave(self, fault: str) -> None:
        if fault == "lost-answer":
            self.aws.fault(kind="lost_answer", count=1)
        elif fault == "throttled":
            self.aws.fault(kind="throttle", count=self.case.dice.randint(1, 6))
        elif fault == "denied":
            self.aws.fault(kind="deny")
        elif fault == "capacity":
            self.aws.fault(kind="capacity", mode="any", count=self.case.dice.randint(1, 9))
        elif fault == "quota":
            self.aws.fault(kind="quota", mode=self.case.dice.choice(("spot", "any")))
        elif fault == "az-down":
            self.aws.fault(kind="az_down", az=self._zone())


def _cut() -> None:
    """The server's end is gone; Django finds out at the next statement."""
    session = connections[DEFAULT_DB_ALIAS].connection
    if session is not None:
        session.close()
