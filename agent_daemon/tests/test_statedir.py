"""The folder per instance, its lock, and clones."""

from __future__ import annotations

import stat

import pytest
from spotopt_agent import statedir
from spotopt_agent.statedir import StateDir, StateDirError


@pytest.fixture
def opened():
    """Opens folders and closes them at the end."""
    folders: list[StateDir] = []

    def open_(root, instance_id) -> StateDir:
        folders.append(StateDir(root, instance_id))
        return folders[-1]

    yield open_
    for folder in folders:
        folder.close()


def test_values_are_kept_and_only_the_owner_may_read_them(tmp_path, opened):
    folder = opened(tmp_path / "new" / "state", "i-1")
    folder.write("registration.json", {"token": "secret"})
    folder.write("registration.json", {"token": "newer"})
    assert folder.read("registration.json") == {"token": "newer"}
    assert stat.S_IMODE((folder.path / "registration.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_a_draft_left_behind_does_no_harm(tmp_path, opened):
    folder = opened(tmp_path, "i-1")
    (folder.path / "x.new").write_text("half a fi")
    folder.write("x", {"whole": True})
    assert folder.read("x") == {"whole": True}


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '"x"'])
def test_what_cannot_be_read_is_not_there(tmp_path, opened, content):
    folder = opened(tmp_path, "i-1")
    (folder.path / "x").write_text(content)
    assert folder.read("x") is None
    assert folder.read("missing") is None


def test_removing_twice_is_no_error(tmp_path, opened):
    folder = opened(tmp_path, "i-1")
    folder.write("x", {})
    folder.remove("x")
    folder.remove("x")
    assert folder.read("x") is None


def test_one_process_at_a_time(tmp_path, opened):
    first = opened(tmp_path, "i-1")
    assert statedir.is_held(first.path)
    with pytest.raises(StateDirError, match="another agent runs"):
        StateDir(tmp_path, "i-1")


def test_a_closed_folder_can_be_opened_again(tmp_path, opened):
    first = StateDir(tmp_path, "i-1")
    first.write("x", {"kept": 1})
    first.close()
    assert not statedir.is_held(first.path)
    assert opened(tmp_path, "i-1").read("x") == {"kept": 1}


def test_a_clone_discards_its_originals_folder(tmp_path, opened):
    original = StateDir(tmp_path, "i-original")
    original.write("registration.json", {"token": "t"})
    (original.path / "queue.sqlite3").write_text("queue")
    original.close()

    clone = opened(tmp_path, "i-clone")
    assert clone.discard_others() == ["i-original"]
    assert not original.path.exists()
    assert clone.path.exists()


def test_a_folder_whose_agent_is_alive_is_left_alone(tmp_path, opened):
    neighbour = opened(tmp_path, "i-neighbour")
    neighbour.write("x", {"mine": 1})
    assert opened(tmp_path, "i-1").discard_others() == []
    assert neighbour.read("x") == {"mine": 1}


def test_what_is_not_ours_is_left_alone(tmp_path, opened):
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "note.txt").write_text("keep")
    assert opened(tmp_path, "i-1").discard_others() == []
    assert (tmp_path / "lost+found").exists()
    assert (tmp_path / "note.txt").exists()


@pytest.mark.parametrize("instance_id", ["", "..", "a/b", "i-1\n", "x" * 65, "."])
def test_an_instance_id_that_is_no_name_is_refused(tmp_path, instance_id):
    with pytest.raises(StateDirError, match="not an instance id"):
        StateDir(tmp_path, instance_id)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StateDirError, match="SPOTOPT_STATE_DIR cannot be used"):
        StateDir(tmp_path / "file", "i-1")


def test_nobody_holds_what_is_not_there(tmp_path):
    assert not statedir.is_held(tmp_path / "missing")
