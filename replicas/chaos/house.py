"""Where the cases are played: a throwaway database and a simulated AWS for each worker."""

import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from replicas.chaos import aws
from spotopt import localdb
from spotopt.lib.supervisor import Supervisor


def environment(*, data_dir: Path, database_url: str, aws_port: int) -> dict[str, str]:
    """A worker's settings; nothing of the caller's own AWS or database reaches it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AWS_") and name not in ("REDIS_URL", "SECRET_KEY", "TOKEN_KEYS")
    }
    return {
        **kept,
        "PYTHONUNBUFFERED": "1",
        "DEBUG": "false",  # which would keep every query
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ALLOWED_HOSTS": "127.0.0.1",
        "DATA_DIR": str(data_dir),
        "DATABASE_URL": database_url,
        "DATABASE_DIRECT_URL": database_url,
        "PUBLIC_URL": "http://127.0.0.1:8000",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{aws_port}",
        "AWS_ACCESS_KEY_ID": "chaos",
        "AWS_SECRET_ACCESS_KEY": "chaos",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SERVER_AWS_ACCOUNT": "true",
        "DEFAULT_AMI": "ami-simulated00000000",
        "SECURE_SSL_REDIRECT": "false",
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "CRITICAL"),
    }


@contextlib.contextmanager
def open_house(*, seed: int, speed: float = aws.SPEED) -> Iterator[dict[str, str]]:
    """A migrated database and a running simulator, as an environment for a worker."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="spotopt-chaos-", ignore_cleanup_errors=True)
        )
        data_dir = Path(folder)
        data_dir.chmod(0o755)
        database = stack.enter_context(localdb.start(data_dir, throwaway=True))
        port = aws.free_port()
        supervisor = stack.enter_context(Supervisor())
        supervisor.start(aws.program(port=port, seed=seed, log=data_dir / "aws.log", speed=speed))
        env = environment(data_dir=data_dir, database_url=database.url, aws_port=port)
        manage(["migrate", "--verbosity", "0"], env)
        yield env


def manage(words: list[str], env: dict[str, str]) -> None:
    """One management command to its end; raises CalledProcessError."""
    subprocess.run([sys.executable, "manage.py", *words], check=True, cwd=aws.ROOT, env=env)
