"""What the database keeps in `<DATA_DIR>/localdb`, and how one process finds another's server."""

import contextlib
import fcntl
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = "localdb"


class LocalDatabaseError(Exception):
    """The embedded database can't be started; the text says why, and what helps."""


@dataclass(frozen=True)
class State:
    """Written when the server answers, removed before it goes."""

    url: str
    keeper: int  # process id of the keeper
    owner: int  # process id of whoever called `start`


class Files:
    """The paths of one database."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir.resolve() / FOLDER
        self.cluster = self.folder / "cluster"
        self.password = self.folder / "password"
        self.state = self.folder / "state.json"
        self.socket = self.folder / "socket"  # names the socket's folder
        self.lock = self.folder / "lock"
        self.log = self.folder / "log"

    def prepare(self) -> None:
        """Make the folder, private to its user; folders above are created but never changed."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            self.folder.mkdir(mode=0o700)

    def write(self, path: Path, text: str) -> None:
        """Replace a file in one step, readable by the folder's owner alone."""
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(text)
        self.hand_over(fresh)
        fresh.replace(path)

    def hand_over(self, path: Path) -> None:
        """Give a file that root made to the folder's owner, who may run the next server."""
        owner = self.folder.stat()
        if os.geteuid() == 0 and owner.st_uid != 0:
            os.chown(path, owner.st_uid, owner.st_gid)

    def write_state(self, state: State) -> None:
        self.write(self.state, json.dumps(asdict(state)))

    def read_state(self) -> State | None:
        """The last state written; None if there is none, or if it is another user's."""
        try:
            return State(**json.loads(self.state.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def try_lock(self) -> int | None:
        """An open file that holds the lock, or None while a server (or its remains) holds it.

        Server processes inherit the file, so the lock is free only when all of them are gone.
        """
        handle = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        self.hand_over(self.lock)
        return handle

    def locked(self) -> bool:
        """Whether server processes live, whoever started them."""
        try:
            handle = os.open(self.lock, os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False


def running_url(data_dir: Path) -> str | None:
    """The address of the database running under `data_dir`, or None.

    Costs two small file reads and no connection: every command's settings ask.
    """
    files = Files(data_dir)
    state = files.read_state()
    return state.url if state and files.locked() else None


def without_password(url: str) -> str:
    """The address in a form fit for a terminal or a log."""
    return re.sub(r"//([^:@/]*):[^@/]*@", r"//\1@", url)
