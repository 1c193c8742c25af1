"""The SQLite file."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys

import pytest
from spotopt_agent.store import Store

from .support.process import SOURCES


def facts(store: Store) -> dict[str, str]:
    with store.transaction() as db:
        return dict(db.execute("SELECT key, value FROM facts"))


def test_values_outlive_the_connection(tmp_path):
    store = Store(tmp_path / "q")
    store.set_fact("a", "1")
    store.set_fact("a", "2")
    store.close()
    assert facts(Store(tmp_path / "q")) == {"a": "2"}
    assert stat.S_IMODE((tmp_path / "q").stat().st_mode) == 0o600


def test_a_transaction_that_fails_leaves_nothing(tmp_path):
    store = Store(tmp_path / "q")

    def fail() -> None:
        with store.transaction() as db:
            db.execute("INSERT INTO facts VALUES ('a', '1')")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert facts(store) == {}


def test_what_was_committed_survives_kill_9(tmp_path):
    script = (
        "import os, signal, sys; from pathlib import Path; from spotopt_agent.store import Store\n"
        "store = Store(Path(sys.argv[1])); store.set_fact('a', '1')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "q")],
        env={"PYTHONPATH": str(SOURCES)},
        check=False,
        timeout=20,
    )
    assert facts(Store(tmp_path / "q")) == {"a": "1"}


def test_a_file_that_is_no_database_is_set_aside(tmp_path):
    (tmp_path / "q").write_bytes(b"this is not SQLite" * 100)
    store = Store(tmp_path / "q")
    store.set_fact("a", "1")
    assert facts(store) == {"a": "1"}
    assert (tmp_path / "q.broken").read_bytes().startswith(b"this is not")


def test_where_the_disk_takes_nothing_it_is_kept_in_memory(tmp_path):
    store = Store(tmp_path / "missing folder" / "q")
    store.set_fact("a", "1")
    assert facts(store) == {"a": "1"}


def test_a_closed_store_says_so(tmp_path):
    store = Store(tmp_path / "q")
    store.close()
    with pytest.raises(sqlite3.Error):
        store.set_fact("a", "1")
