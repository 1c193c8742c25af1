"""The processes of a demo: simulated AWS, web, guard and scheduled work, supervised, gone with it."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spotopt.demo.options import Options
from spotopt.lib.supervisor import Backoff, Program, Supervisor, answers, prints

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Stage:
    """Where everything is."""

    options: Options
    data_dir: Path
    web_url: str
    aws_url: str


def free_port(wanted: int = 0) -> int:
    """`wanted` if it is free, else any."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port")


def environment(options: Options, data_dir: Path, database_url: str) -> dict[str, str]:
    """What each server process of the demo is told; nothing of the caller's own AWS reaches them."""
    web, aws = free_port(options.port), free_port()
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AWS_") and name not in ("REDIS_URL", "SECRET_KEY", "TOKEN_KEYS")
    }
    return {
        **kept,
        "PYTHONUNBUFFERED": "1",
        "DEBUG": "true",
        "DATA_DIR": str(data_dir),
        "DATABASE_URL": database_url,
        "DATABASE_DIRECT_URL": database_url,
        "PUBLIC_URL": f"http://127.0.0.1:{web}",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{aws}",
        "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SERVER_AWS_ACCOUNT": "true",
        "SECURE_SSL_REDIRECT": "false",
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"),
    }


def from_environment(options: Options, environ: Mapping[str, str]) -> Stage:
    """The stage that `environment` described, seen from inside."""
    return Stage(
        options=options,
        data_dir=Path(environ["DATA_DIR"]),
        web_url=environ["PUBLIC_URL"],
        aws_url=environ["AWS_ENDPOINT_URL"],
    )


def manage(*words: str) -> None:
    """Run one management command to its end; raises CalledProcessError."""
    subprocess.run([sys.executable, str(ROOT / "manage.py"), *words], check=True, cwd=ROOT)


def raise_curtain(stage: Stage, supervisor: Supervisor) -> None:
    """Migrate and start everything; returns when each is ready."""
    manage("migrate", "--verbosity", "0")
    options = stage.options
    aws_port, web_port = (url.rpartition(":")[2] for url in (stage.aws_url, stage.web_url))
    simulator = [
        sys.executable,
        "-m",
        "simulator",
        "--port",
        aws_port,
        "--speed",
        str(options.speed),
    ]
    simulator += ["--seed", str(options.seed), "--path", str(Path(sys.executable).parent)]
    if options.prices is not None:
        simulator += ["--prices", str(options.prices.resolve())]
    python = [sys.executable, str(ROOT / "manage.py")]
    daphne = [sys.executable, "-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p", web_port]
    for name, argv, ready in (
        ("aws", simulator, prints("simulator ready")),
        ("web", [*daphne, "spotopt.asgi:application"], answers(f"{stage.web_url}/health")),
        ("guard", [*python, "guard"], prints("guard is watching")),
        ("qcluster", [*python, "qcluster"], None),
    ):
        supervisor.start(
            Program(
                name=name,
                argv=argv,
                cwd=ROOT,
                ready=ready,
                restart=None if name == "aws" else Backoff(),
                log=stage.data_dir / "logs" / f"{name}.log",
            )
        )
