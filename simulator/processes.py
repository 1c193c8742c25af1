"""What runs on the machines: one runner with its tree of processes for each booted machine.

Every process carries the variable SIMULATED_MACHINE, so that even one that slipped out of its
runner's tree is found.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Lock

from . import runner, user_data
from .addresses import METADATA_PORT
from .machines import Machine
from .options import Options

_MARKER = "SIMULATED_MACHINE"
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR")


class Processes:
    """Starts and kills; `enabled` False runs nothing."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lock = Lock()
        self._runners: dict[str, subprocess.Popen[bytes]] = {}
        self._temporary = options.workdir is None
        self.workdir = options.workdir or Path(tempfile.mkdtemp(prefix="simulator-"))
        self.workdir.mkdir(parents=True, exist_ok=True)
        self._unit = f"{os.getpid()}-{options.port}"

    def folder(self, instance_id: str) -> Path:
        return self.workdir / instance_id

    def start(self, machine: Machine) -> bool:
        """Run the machine's user data in its folder. False if there is nothing to run."""
        script = user_data.script(user_data.decode(machine.user_data))
        if script is None or not self._options.agents:
            return False
        folder = self.folder(machine.instance_id)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "user-data"
        file.write_bytes(script)
        file.chmod(0o700)
        command = [sys.executable, "-I", "-S", runner.__file__, str(file)]
        with (folder / "stdout").open("ab") as out, (folder / "stderr").open("ab") as err:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                cwd=folder,
                env=self._environment(machine, folder),
                start_new_session=True,
            )
        with self._lock:
            self._runners[machine.instance_id] = process
        return True

    def kill(self, instance_id: str) -> None:
        """SIGKILL to everything that the machine runs; returns when it is gone."""
        with self._lock:
            process = self._runners.pop(instance_id, None)
        if process is None:
            return
        runner.kill_below(process.pid)
        process.kill()
        if process.stdin:
            with contextlib.suppress(OSError):
                process.stdin.close()
        process.wait()
        self._kill_marked(self._mark(instance_id))

    def counts(self) -> dict[str, int]:
        """How many processes each machine runs, the runner not counted."""
        with self._lock:
            runners = {name: process.pid for name, process in self._runners.items()}
        known = runner.parents() if runners else {}
        return {name: len(runner.descendants(pid, known)) for name, pid in runners.items()}

    def kill_all(self) -> None:
        with self._lock:
            ids = list(self._runners)
        for instance_id in ids:
            self.kill(instance_id)

    def close(self) -> None:
        self.kill_all()
        if self._temporary:
            shutil.rmtree(self.workdir, ignore_errors=True)

    def _mark(self, instance_id: str) -> str:
        return f"{self._unit}/{instance_id}"

    def _environment(self, machine: Machine, folder: Path) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        path = kept.get("PATH", os.defpath)
        if self._options.path:
            path = f"{self._options.path}{os.pathsep}{path}"
        return {
            **kept,
            "PATH": path,
            "HOME": str(folder),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://{machine.private_ip}:{METADATA_PORT}",
            "AWS_ENDPOINT_URL": self._options.url,
            "AWS_DEFAULT_REGION": machine.region,
            "INSTANCE_ID": machine.instance_id,
            "PRIVATE_IP": machine.private_ip,
            _MARKER: self._mark(machine.instance_id),
        }

    def _kill_marked(self, mark: str) -> None:
        wanted = f"{_MARKER}={mark}".encode()
        for process in runner.parents():
            try:
                carried = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if wanted in carried:
                with contextlib.suppress(OSError):
                    os.kill(process, signal.SIGKILL)
