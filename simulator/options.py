"""What the command line says."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """`speed` divides every delay; `workdir` None means a temporary folder."""

    port: int
    host: str = "127.0.0.1"
    speed: float = 1.0
    prices: Path | None = None
    agents: bool = True
    seed: int = 0
    path: Path | None = None
    workdir: Path | None = None
    boot_seconds: float = 20.0

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError("must be greater than zero")
    return value


def parse(arguments: Sequence[str] | None = None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port of the simulated AWS")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--speed", type=_positive, default=1.0, help="divides every delay")
    parser.add_argument("--prices", type=Path, help="spot prices to replay, csv or csv.gz")
    parser.add_argument("--no-agents", action="store_true", help="run no user data")
    parser.add_argument("--seed", type=int, default=0, help="of the generated prices")
    parser.add_argument("--path", type=Path, help="folder put first on the PATH of user data")
    parser.add_argument("--workdir", type=Path, help="where machines get their folders")
    parser.add_argument("--boot-seconds", type=_positive, default=20.0, help="at speed 1")
    given = parser.parse_args(arguments)
    if given.prices is not None and not given.prices.is_file():
        parser.error(f"there is no price file {given.prices}")
    return Options(
        port=given.port,
        host=given.host,
        speed=given.speed,
        prices=given.prices,
        agents=not given.no_agents,
        seed=given.seed,
        path=given.path.resolve() if given.path else None,
        workdir=given.workdir.resolve() if given.workdir else None,
        boot_seconds=given.boot_seconds,
    )
