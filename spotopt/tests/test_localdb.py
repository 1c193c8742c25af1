"""The embedded database as its callers see it: real servers, real kills."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import psycopg
import pytest

from spotopt import localdb
from spotopt.lib import processes
from spotopt.localdb.files import Files

PROJECT = Path(__file__).resolve().parents[2]
HOLDER = """
import sys, time
from pathlib import Path
from spotopt import localdb
database = localdb.start(Path(sys.argv[1]), throwaway="keep" not in sys.argv)
print("ready", flush=True)
time.sleep(600)
"""


def await_true(question: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def said(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline()


def url_of(data_dir: Path) -> str:
    url = localdb.running_url(data_dir)
    assert url
    return url


def postmaster(data_dir: Path) -> int:
    return int((Files(data_dir).cluster / "postmaster.pid").read_text().splitlines()[0])


def keeper(data_dir: Path) -> int:
    state = Files(data_dir).read_state()
    assert state
    return state.keeper


@pytest.fixture
def holder(tmp_path):
    """Starts processes that hold a database; kills what is left of them."""
    held = []

    def hold(*arguments: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path), *arguments],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            text=True,
        )
        held.append(process)
        assert said(process.stdout) == "ready\n"
        return process

    yield hold
    for process in held:
        process.kill()
        process.communicate()


def one(url: str, statement: str):
    with psycopg.connect(url) as connection:
        row = connection.execute(statement).fetchone()
    return row[0] if row else None


def test_a_new_folder_gets_a_database_and_keeps_its_data(tmp_path):
    with localdb.start(tmp_path) as database:
        assert one(database.url, "SELECT current_database()") == "spotopt"
        assert one(database.url, "SHOW fsync") == "on"
        assert one(database.url, "SHOW server_encoding") == "UTF8"
        assert int(one(database.url, "SHOW max_connections")) == 200
        with psycopg.connect(database.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        first = database.url
    with localdb.start(tmp_path) as database:
        assert one(database.url, "SELECT answer FROM kept") == 42
        assert database.url == first


def test_running_url_names_the_server_while_it_runs(tmp_path):
    assert localdb.running_url(tmp_path) is None
    with localdb.start(tmp_path, throwaway=True) as database:
        assert localdb.running_url(tmp_path) == database.url
        assert database.alive()
    assert localdb.running_url(tmp_path) is None
    assert not database.alive()
    database.stop()  # a second time does no harm


def test_a_throwaway_leaves_nothing(tmp_path):
    with localdb.start(tmp_path, throwaway=True) as database:
        assert one(database.url, "SHOW fsync") == "off"
    assert not tmp_path.exists()


def test_a_throwaway_leaves_what_others_keep_beside_it(tmp_path):
    with localdb.start(tmp_path, throwaway=True):
        (tmp_path / "mine").write_text("kept")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_throwaway_is_removed_when_its_owner_is_killed(tmp_path, holder):
    holder().kill()
    await_true(lambda: not tmp_path.exists())


def test_only_the_password_opens_it_and_only_its_user_reads_that(tmp_path):
    with localdb.start(tmp_path, throwaway=True) as database:
        files = Files(tmp_path)
        for path in (files.state, files.password):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(files.folder.stat().st_mode) == 0o700
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(localdb.without_password(database.url))
        assert "127.0.0.1" not in (one(database.url, "SHOW listen_addresses") or "")


def test_folders_above_its_own_keep_their_modes(tmp_path):
    above = tmp_path / "closed"
    above.mkdir(mode=0o700)
    data_dir = above / "var"
    data_dir.mkdir(mode=0o750)
    with localdb.start(data_dir, throwaway=True):
        assert stat.S_IMODE(above.stat().st_mode) == 0o700
        assert stat.S_IMODE(data_dir.stat().st_mode) == 0o750
        assert [path.name for path in data_dir.iterdir()] == ["localdb"]


def test_no_system_user_is_made(tmp_path):
    before = Path("/etc/passwd").read_bytes()
    with localdb.start(tmp_path, throwaway=True):
        pass
    assert Path("/etc/passwd").read_bytes() == before


def test_a_path_too_long_for_a_socket_is_served_from_tmp(tmp_path):
    data_dir = tmp_path / ("long name " * 12)
    with localdb.start(data_dir) as database:
        first = database.url
        assert one(first, "SELECT 1") == 1
        socket = Path(one(first, "SHOW unix_socket_directories").strip('"'))
        assert socket.parent == Path("/tmp")
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
    assert not socket.exists()
    with localdb.start(data_dir) as database:
        assert database.url == first, "clients find it again"
    socket.write_text("somebody else's")
    try:
        with localdb.start(data_dir) as database:
            assert database.url != first
            assert one(database.url, "SELECT 1") == 1
    finally:
        socket.unlink()


def test_a_second_start_says_that_one_is_running(tmp_path, holder):
    first = holder()
    with pytest.raises(localdb.LocalDatabaseError, match=rf"already running.*{first.pid}"):
        localdb.start(tmp_path)
    assert one(url_of(tmp_path), "SELECT 1") == 1, "the first goes on"


def test_two_starts_at_once_make_one_server(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    both = [
        subprocess.Popen(
            command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    try:
        await_true(lambda: any(process.poll() is not None for process in both))
        loser, winner = sorted(both, key=lambda process: process.poll() is None)
        assert said(winner.stdout) == "ready\n"
        assert "already running" in loser.communicate()[1]
        assert one(url_of(tmp_path), "SELECT 1") == 1
    finally:
        for process in both:
            process.kill()
            process.communicate()


def test_killing_the_owner_ends_the_server_cleanly(tmp_path, holder):
    owner = holder("keep")
    server = postmaster(tmp_path)
    owner.kill()
    await_true(lambda: not processes.alive(server))
    await_true(lambda: not Files(tmp_path).locked())
    assert localdb.running_url(tmp_path) is None
    log = Files(tmp_path).log.read_text()
    assert "received fast shutdown request" in log
    assert "database system is shut down" in log


def test_killing_the_keeper_ends_the_server(tmp_path, holder):
    holder("keep")
    server = postmaster(tmp_path)
    os.kill(keeper(tmp_path), signal.SIGKILL)
    await_true(lambda: not processes.alive(server))
    await_true(lambda: localdb.running_url(tmp_path) is None)


def test_killing_owner_and_keeper_together_ends_the_server(tmp_path, holder):
    owner = holder("keep")
    server = postmaster(tmp_path)
    os.kill(keeper(tmp_path), signal.SIGKILL)
    owner.kill()
    await_true(lambda: not processes.alive(server))


def test_after_a_crash_of_everything_the_next_start_recovers(tmp_path, holder):
    owner = holder("keep")
    with psycopg.connect(url_of(tmp_path)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS answer")
    for pid in (postmaster(tmp_path), keeper(tmp_path), owner.pid):
        os.kill(pid, signal.SIGKILL)
    assert (Files(tmp_path).cluster / "postmaster.pid").exists()
    with localdb.start(tmp_path) as database:  # at once: it waits for the remains by itself
        assert one(database.url, "SELECT answer FROM kept") == 7


def test_a_pid_file_naming_a_living_stranger_is_no_obstacle(tmp_path):
    with localdb.start(tmp_path) as database:
        pid_file = Files(tmp_path).cluster / "postmaster.pid"
        text = pid_file.read_text()
        socket = Path(one(database.url, "SHOW unix_socket_directories").strip('"'))
    pid_file.write_text(text.replace(text.splitlines()[0], str(os.getpid()), 1))
    socket.mkdir(exist_ok=True)
    (socket / ".s.PGSQL.5432.lock").write_text(
        text.replace(text.splitlines()[0], str(os.getpid()), 1)
    )
    with localdb.start(tmp_path) as database:
        assert one(database.url, "SELECT 1") == 1


def test_a_creation_cut_short_is_begun_anew(tmp_path):
    files = Files(tmp_path)
    files.prepare()
    (files.folder / "cluster.new").mkdir()
    (files.folder / "cluster.new" / "PG_VERSION").write_text("garbage")
    with localdb.start(tmp_path, throwaway=True) as database:
        assert one(database.url, "SELECT 1") == 1


def test_a_server_that_dies_is_noticed(tmp_path):
    with localdb.start(tmp_path, throwaway=True) as database:
        os.kill(postmaster(tmp_path), signal.SIGKILL)
        assert database.wait(30) != 0
        assert localdb.running_url(tmp_path) is None


def test_an_unusable_folder_is_an_error_that_names_it(tmp_path):
    (tmp_path / "var").write_text("a file")
    with pytest.raises(localdb.LocalDatabaseError, match="var"):
        localdb.start(tmp_path / "var")


def test_a_server_that_cannot_start_says_why(tmp_path):
    with localdb.start(tmp_path):
        pass
    (Files(tmp_path).cluster / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(localdb.LocalDatabaseError, match="no_such_setting"):
        localdb.start(tmp_path)
    assert not Files(tmp_path).locked()


def test_the_address_without_its_password():
    shown = localdb.without_password("postgresql://u:s3cret@/db?host=/a/b@c")
    assert shown == "postgresql://u@/db?host=/a/b@c"
