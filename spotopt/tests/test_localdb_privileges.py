"""As root: the server runs under another number, and nothing above its folder is loosened."""

import os
import pwd
import stat
from pathlib import Path

import psycopg
import pytest

from spotopt import localdb
from spotopt.localdb import privileges
from spotopt.localdb.files import Files

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives its rights up")


def serving_user(data_dir: Path) -> int:
    pid = (Files(data_dir).cluster / "postmaster.pid").read_text().splitlines()[0]
    return Path(f"/proc/{pid}").stat().st_uid


def test_in_a_namespace_the_files_stay_roots(tmp_path):
    if not privileges.namespaces_open():
        pytest.skip("user namespaces are closed here")
    with localdb.start(tmp_path, throwaway=True):
        assert serving_user(tmp_path) == 0
        assert Files(tmp_path).cluster.stat().st_uid == 0


def test_a_users_folder_is_served_as_that_user_without_opening_what_is_above(tmp_path):
    nobody = pwd.getpwnam("nobody")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    files = Files(closed)
    files.prepare()
    os.chown(files.folder, nobody.pw_uid, nobody.pw_gid)
    with localdb.start(closed) as database:
        assert serving_user(closed) == nobody.pw_uid
        with psycopg.connect(database.url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    strangers = [path for path in files.folder.rglob("*") if path.stat().st_uid != nobody.pw_uid]
    assert strangers == [], "that user could start it next time"


def test_where_namespaces_are_closed_the_folder_becomes_nobodys(tmp_path, monkeypatch):
    monkeypatch.setattr(privileges, "namespaces_open", lambda: False)
    (tmp_path / "old").write_text("made by root")
    privileges.entrance(folder=tmp_path, reads=[])
    nobody = pwd.getpwnam("nobody").pw_uid
    assert {path.stat().st_uid for path in (tmp_path, tmp_path / "old")} == {nobody}
    assert tmp_path.parent.stat().st_uid == 0


def test_what_is_reachable_by_others(tmp_path):
    assert privileges.reachable(Path("/usr/bin/env"))
    (tmp_path / "closed").mkdir(mode=0o700)
    assert not privileges.reachable(tmp_path / "closed" / "file")


@pytest.mark.parametrize("keep_access", [False, True])
def test_giving_up_root_is_final_but_may_keep_the_way_through_closed_folders(tmp_path, keep_access):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "file").write_text("text")
    copy = Path("/tmp") / f"spotopt-{os.getpid()}"
    copy.write_text("text")
    child = os.fork()
    if child == 0:
        privileges.become(65534, 65534, keep_access=keep_access)
        try:
            os.setuid(0)
        except PermissionError:
            # Across an exec, as the server will be.
            os.execvp("cmp", ["cmp", "-s", str(closed / "file"), str(copy)])
        os._exit(9)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    copy.unlink()
    assert code == (0 if keep_access else 2)
