"""One PostgreSQL cluster on disk: made once, then served."""

import contextlib
import locale
import secrets
import shutil
import subprocess
import urllib.parse
from pathlib import Path

from spotopt.localdb.binaries import Binaries
from spotopt.localdb.files import Files, LocalDatabaseError
from spotopt.localdb.privileges import Entrance

NAME = "spotopt"  # of the database and of its user
SOCKET = ".s.PGSQL.5432"
LONGEST_SOCKET = 107  # bytes, of sockaddr_un
SHORT = Path("/tmp")  # noqa: S108 - folders there are made anew, with mode 0700
MAX_CONNECTIONS = 200

SETTINGS = {
    "listen_addresses": "",
    "max_connections": str(MAX_CONNECTIONS),
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    # A refused statement may hold a secret; its error alone is logged.
    "log_min_error_statement": "panic",
}
DURABLE = {"fsync": "on"}
# Nothing of it is to outlive the run, so nothing waits for the disk.
THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def existing_major(files: Files) -> int | None:
    """The PostgreSQL version that made the cluster; None if there is no cluster yet."""
    try:
        return int((files.cluster / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None


def create(files: Files, binaries: Binaries, enter: Entrance, *, throwaway: bool) -> None:
    """Make the cluster and its database beside their place, and move them there when whole."""
    fresh = files.cluster.with_name("cluster.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    files.hand_over(fresh)
    files.write(files.password, secrets.token_urlsafe(24))
    command = [binaries.initdb, "--pgdata", str(fresh), "--username", NAME, "--encoding", "UTF8"]
    command += ["--locale", _locale(), "--auth", "scram-sha-256"]
    command += ["--pwfile", str(files.password)]
    if throwaway:
        command.append("--no-sync")
    _run(command, enter)
    single = [binaries.postgres, "--single", "-D", str(fresh), "-c", "log_min_messages=error"]
    single += [part for name, value in THROWAWAY.items() for part in ("-c", f"{name}={value}")]
    _run([*single, "postgres"], enter, text=f"CREATE DATABASE {NAME}\n")
    if not throwaway:
        _run([binaries.initdb, "--sync-only", "--pgdata", str(fresh)], enter)
    fresh.rename(files.cluster)


def socket_folder(files: Files) -> Path:
    """A private folder for the socket: within the database's own, or under /tmp if that is long.

    The same as last time where possible, so that clients find a restarted server again.
    """
    folder = files.folder / "run"
    if len(bytes(folder / SOCKET)) > LONGEST_SOCKET:
        with contextlib.suppress(FileNotFoundError):
            folder = Path(files.socket.read_text())
        if folder.parent != SHORT:
            folder = _outside()
    shutil.rmtree(folder, ignore_errors=True)  # what a crash has left
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:  # somebody else's
        folder = _outside()
        folder.mkdir(mode=0o700)
    files.hand_over(folder)
    files.write(files.socket, str(folder))
    return folder


def _outside() -> Path:
    return SHORT / f"spotopt-{secrets.token_hex(6)}"


def address(files: Files, socket: Path) -> str:
    password = files.password.read_text().strip()
    host = urllib.parse.quote(str(socket), safe="/")
    return f"postgresql://{NAME}:{password}@/{NAME}?host={host}"


def serve(
    files: Files,
    binaries: Binaries,
    enter: Entrance,
    *,
    socket: Path,
    throwaway: bool,
    inherit: int,
) -> subprocess.Popen[bytes]:
    """Start the server; `inherit` is an open file for it and all its children to hold."""
    # The lock says that no process of an earlier server lives, so its pid file is only in the way.
    (files.cluster / "postmaster.pid").unlink(missing_ok=True)
    chosen = {**SETTINGS, **(THROWAWAY if throwaway else DURABLE)}
    chosen["unix_socket_directories"] = f'"{socket}"'
    options = [part for name, value in chosen.items() for part in ("-c", f"{name}={value}")]
    with files.log.open("ab") as log:
        files.hand_over(files.log)
        return subprocess.Popen(
            [binaries.postgres, "-D", str(files.cluster), *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[inherit],
            start_new_session=True,
            preexec_fn=enter,  # safe: the keeper has one thread
        )


def ready(files: Files) -> bool:
    """Whether the server accepts connections, as it says itself in its pid file."""
    with contextlib.suppress(OSError, IndexError):
        lines = (files.cluster / "postmaster.pid").read_text().splitlines()
        return lines[7].strip() == "ready"
    return False


def log_tail(files: Files, lines: int = 5) -> str:
    with contextlib.suppress(OSError):
        return "\n".join(files.log.read_text(errors="replace").splitlines()[-lines:])
    return ""


def _locale() -> str:
    """C.UTF-8 knows the letters of every language; plain C is there on any machine."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return "C"
    locale.setlocale(locale.LC_CTYPE, before)
    return "C.UTF-8"


def _run(command: list[str], enter: Entrance, *, text: str = "") -> None:
    try:
        subprocess.run(
            command,
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
            timeout=120,
            cwd="/",
            preexec_fn=enter,  # safe: the keeper has one thread
        )
    except subprocess.CalledProcessError as error:
        raise LocalDatabaseError(f"{Path(command[0]).name} failed: {error.stdout}") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise LocalDatabaseError(f"{Path(command[0]).name} could not be run: {error}") from error
