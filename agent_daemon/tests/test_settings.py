"""Settings: environment over file, strict, with errors that name the setting."""

from __future__ import annotations

from pathlib import Path

import pytest
from spotopt_agent import settings
from spotopt_agent.settings import SettingsError

NEEDED = {"SPOTOPT_SERVER_URL": "https://spot.example.com"}


@pytest.fixture(autouse=True)
def no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "DEFAULT_CONFIG", tmp_path / "none.conf")


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "agent.conf"
    path.write_text(text)
    return path


def test_defaults():
    found = settings.load(NEEDED)
    assert found.server_urls == ("https://spot.example.com",)
    assert found.token is None
    assert found.state_dir == Path("/var/lib/spotopt-agent")
    assert found.hooks_dir == Path("/etc/spotopt/hooks")
    assert found.parent_agent_id is None
    assert found.interval_scale == 1.0
    assert found.metadata_endpoint == "http://169.254.169.254"
    assert found.aws_endpoint is None


def test_everything_from_the_environment():
    found = settings.load(
        {
            "SPOTOPT_SERVER_URL": "http://a:1/, https://b.example.com/spot/ ,",
            "SPOTOPT_TOKEN": " secret ",
            "SPOTOPT_STATE_DIR": "/state",
            "SPOTOPT_HOOKS_DIR": "/hooks",
            "SPOTOPT_PARENT_AGENT_ID": "parent",
            "SPOTOPT_LOGICAL_AGENT_ID": "slot",
            "SPOTOPT_INTERVAL_SCALE": "0.1",
            "SPOTOPT_HOOK_SECONDS": "12",
            "SPOTOPT_SYNC_SECONDS": "34.5",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.1.2.3:1338/",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:5000",
        }
    )
    assert found.server_urls == ("http://a:1", "https://b.example.com/spot")
    assert found.token == "secret"
    assert found.state_dir == Path("/state")
    assert found.hooks_dir == Path("/hooks")
    assert found.parent_agent_id == "parent"
    assert found.logical_agent_id == "slot"
    assert found.interval_scale == 0.1
    assert found.hook_seconds == 12
    assert found.sync_seconds == 34.5
    assert found.metadata_endpoint == "http://127.1.2.3:1338"
    assert found.aws_endpoint == "http://127.0.0.1:5000"


def test_the_environment_goes_before_the_file(tmp_path):
    path = write(
        tmp_path,
        """
        # where the server is
        SPOTOPT_SERVER_URL = "https://from-file.example.com"
        SPOTOPT_TOKEN='from-file'
        SPOTOPT_LOGICAL_AGENT_ID=web=1
        SPOTOPT_HOOKS_DIR=
        """,
    )
    found = settings.load({"SPOTOPT_TOKEN": "from-environment"}, path)
    assert found.server_urls == ("https://from-file.example.com",)
    assert found.token == "from-environment"
    assert found.logical_agent_id == "web=1"
    assert found.hooks_dir == Path("/etc/spotopt/hooks")  # an empty value is none


def test_an_empty_variable_does_not_hide_the_file(tmp_path):
    path = write(tmp_path, "SPOTOPT_SERVER_URL=http://a\nSPOTOPT_TOKEN=kept\n")
    assert settings.load({"SPOTOPT_TOKEN": "  "}, path).token == "kept"


def test_a_token_file(tmp_path):
    file = tmp_path / "token"
    file.write_text("from-its-own-file\n")
    environment = {**NEEDED, "SPOTOPT_TOKEN_FILE": str(file)}
    assert settings.load(environment).token == "from-its-own-file"
    assert settings.load({**environment, "SPOTOPT_TOKEN": "nearer"}).token == "nearer"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"SPOTOPT_SERVER_URL": ""}, "SPOTOPT_SERVER_URL is not set"),
        ({"SPOTOPT_SERVER_URL": " , "}, "SPOTOPT_SERVER_URL is not set"),
        ({"SPOTOPT_SERVER_URL": "spot.example.com"}, "SPOTOPT_SERVER_URL"),
        ({"SPOTOPT_SERVER_URL": "ftp://spot.example.com"}, "SPOTOPT_SERVER_URL"),
        ({"SPOTOPT_SERVER_URL": "http://"}, "SPOTOPT_SERVER_URL"),
        ({"SPOTOPT_SERVER_URL": "http://a:99999"}, "SPOTOPT_SERVER_URL"),
        ({"SPOTOPT_SERVER_URL": "http://a:0"}, "SPOTOPT_SERVER_URL"),
        ({"SPOTOPT_SERVER_URL": "http://a:x"}, "SPOTOPT_SERVER_URL"),
        ({"SPOTOPT_SERVER_URL": "http://u:p@a"}, "without credentials"),
        ({"SPOTOPT_SERVER_URL": "http://a?b=c"}, "query"),
        ({"SPOTOPT_INTERVAL_SCALE": "fast"}, "SPOTOPT_INTERVAL_SCALE must be a number"),
        ({"SPOTOPT_INTERVAL_SCALE": "0"}, "SPOTOPT_INTERVAL_SCALE must be a number above zero"),
        ({"SPOTOPT_INTERVAL_SCALE": "-1"}, "SPOTOPT_INTERVAL_SCALE"),
        ({"SPOTOPT_INTERVAL_SCALE": "nan"}, "SPOTOPT_INTERVAL_SCALE"),
        ({"SPOTOPT_INTERVAL_SCALE": "inf"}, "SPOTOPT_INTERVAL_SCALE"),
        ({"SPOTOPT_HOOK_SECONDS": "0"}, "SPOTOPT_HOOK_SECONDS"),
        ({"SPOTOPT_SYNC_SECONDS": "x"}, "SPOTOPT_SYNC_SECONDS"),
        ({"SPOTOPT_TOKEN": "two words"}, "SPOTOPT_TOKEN must be"),
        ({"SPOTOPT_TOKEN": "new\nline"}, "SPOTOPT_TOKEN must be"),
        ({"SPOTOPT_TOKEN": "schlüssel"}, "SPOTOPT_TOKEN must be"),
        ({"SPOTOPT_TOKEN_FILE": "/nowhere/token"}, "SPOTOPT_TOKEN_FILE cannot be read"),
        ({"AWS_EC2_METADATA_SERVICE_ENDPOINT": "here"}, "AWS_EC2_METADATA_SERVICE_ENDPOINT"),
        ({"AWS_ENDPOINT_URL": "here"}, "AWS_ENDPOINT_URL"),
        (
            {"SPOTOPT_PARENT_AGENT_ID": "a", "SPOTOPT_REPLACING_AGENT_ID": "b"},
            "exclude each other",
        ),
    ],
)
def test_what_is_wrong_is_named(changes, words):
    with pytest.raises(SettingsError, match=words) as caught:
        settings.load({**NEEDED, **changes})
    assert changes.get("SPOTOPT_TOKEN", "(no token)") not in str(caught.value)


def test_an_empty_token_file_is_named(tmp_path):
    (tmp_path / "token").write_text("\n")
    with pytest.raises(SettingsError, match="SPOTOPT_TOKEN_FILE names an empty file"):
        settings.load({**NEEDED, "SPOTOPT_TOKEN_FILE": str(tmp_path / "token")})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SPOTOPT_SERVER_URL http://a", "line 1: expected KEY=VALUE"),
        ("\n\nSPOTOPT_SERVR_URL=http://a", "line 3: there is no setting named 'SPOTOPT_SERVR_URL'"),
        ("export SPOTOPT_TOKEN=a", "line 1: there is no setting named"),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path, text, words):
    with pytest.raises(SettingsError, match=words):
        settings.load(NEEDED, write(tmp_path, text))


def test_a_file_that_was_named_must_be_there(tmp_path):
    with pytest.raises(SettingsError, match="does not exist"):
        settings.load(NEEDED, tmp_path / "missing.conf")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "agent.conf").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read"):
        settings.load(NEEDED, tmp_path / "agent.conf")
    with pytest.raises(SettingsError, match="cannot be read"):
        settings.load(NEEDED, tmp_path)  # a folder


def test_settings_do_not_show_the_token():
    assert "hidden" not in repr(settings.load({**NEEDED, "SPOTOPT_TOKEN": "hidden"}))


def test_the_state_folder_alone_needs_nothing_else(tmp_path):
    assert settings.state_dir({}) == Path("/var/lib/spotopt-agent")
    path = write(tmp_path, "SPOTOPT_STATE_DIR=/elsewhere\n")
    assert settings.state_dir({}, path) == Path("/elsewhere")


def test_every_setting_has_a_field():
    fields = set(settings.Settings.__dataclass_fields__) | {"token_file"}
    assert set(settings.KEYS.values()) <= fields
