"""Settings are parsed strictly: a typo stops the start and is named, and nothing secret is repeated."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from spotopt import environment

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("given", ["true", "1", "YES", " on "])
def test_yes(monkeypatch, given):
    monkeypatch.setenv("SOME_SWITCH", given)
    assert environment.switch("SOME_SWITCH", default=False) is True


@pytest.mark.parametrize("given", ["false", "0", "No", "off"])
def test_no(monkeypatch, given):
    monkeypatch.setenv("SOME_SWITCH", given)
    assert environment.switch("SOME_SWITCH", default=True) is False


@pytest.mark.parametrize("default", [True, False])
@pytest.mark.parametrize("given", ["", "   "])
def test_blank_is_the_default(monkeypatch, given, default):
    monkeypatch.setenv("SOME_SWITCH", given)
    assert environment.switch("SOME_SWITCH", default=default) is default


@pytest.mark.parametrize("given", ["flase", "2", "enabled", "none"])
def test_a_typo_in_a_switch_is_refused_by_name(monkeypatch, given):
    monkeypatch.setenv("SOME_SWITCH", given)
    with pytest.raises(ImproperlyConfigured, match="SOME_SWITCH"):
        environment.switch("SOME_SWITCH", default=True)


@pytest.mark.parametrize("given", ["two", "1.5", "0", "-3"])
def test_a_number_out_of_bounds_is_refused_by_name(monkeypatch, given):
    monkeypatch.setenv("SOME_NUMBER", given)
    with pytest.raises(ImproperlyConfigured, match="SOME_NUMBER"):
        environment.whole("SOME_NUMBER", default=2)


def test_words_are_trimmed(monkeypatch):
    monkeypatch.setenv("SOME_WORDS", " a.example, ,b.example ")
    assert environment.words("SOME_WORDS", []) == ["a.example", "b.example"]


def test_an_address_loses_its_slash(monkeypatch):
    monkeypatch.setenv("SOME_URL", "https://spot.example.com/")
    assert environment.address("SOME_URL", "https", "http") == "https://spot.example.com"


@pytest.mark.parametrize(
    "given", ["spot.example.com", "ftp://x", "https://", "mysql://u:geheim@h/d"]
)
def test_a_wrong_address_is_refused_without_repeating_it(monkeypatch, given):
    monkeypatch.setenv("SOME_URL", given)
    with pytest.raises(ImproperlyConfigured, match="SOME_URL") as refused:
        environment.address("SOME_URL", "https", "http")
    assert "geheim" not in str(refused.value)


def start(tmp_path, **given):
    """The settings, read by a process of its own."""
    clean = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "HOME")}
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "import spotopt.settings as s; print(s.DEBUG, s.SERVER_AWS_ACCOUNT)",
        ],
        env={**clean, "DATA_DIR": str(tmp_path), **given},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_development_needs_nothing_and_keeps_its_key_private(tmp_path):
    assert start(tmp_path).stdout.split() == ["True", "True"]
    key = tmp_path / "secret_key"
    assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_text()
    start(tmp_path)
    assert key.read_text() == before


def test_production_needs_a_secret_key_alone(tmp_path):
    refused = start(tmp_path, DEBUG="false")
    assert refused.returncode != 0
    assert "SECRET_KEY is not set" in refused.stderr
    accepted = start(tmp_path, DEBUG="false", SECRET_KEY="x" * 50)
    assert accepted.stdout.split() == ["False", "False"]
    assert not (tmp_path / "secret_key").exists()


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("DEBUG", "nope"),
        ("SERVER_AWS_ACCOUNT", "maybe"),
        ("PUBLIC_URL", "spot.example.com"),
        ("DATABASE_URL", "mysql://u:p@h/d"),
        ("REDIS_URL", "http://h"),
        ("AWS_ENDPOINT_URL", "localhost:5000"),
        ("QCLUSTER_WORKERS", "many"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_each_setting_that_cannot_be_understood_stops_the_start(tmp_path, name, given):
    refused = start(tmp_path, **{name: given})
    assert refused.returncode != 0
    assert name in refused.stderr
