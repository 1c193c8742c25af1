"""What the package promises: the standard library alone, old Pythons, and a README that is true."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from spotopt_agent import settings
from spotopt_agent.hooks import NAMES

from .support.process import SOURCES

PACKAGE = SOURCES / "spotopt_agent"
FILES = sorted(PACKAGE.rglob("*.py"))
README = (SOURCES.parent / "README.md").read_text(encoding="utf-8")


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_standard_library(path):
    allowed = {"spotopt_agent", "__future__"}
    if sys.version_info >= (3, 10):
        allowed |= sys.stdlib_module_names
        assert imported(path) <= allowed
    assert not imported(path) & {"django", "boto3", "requests", "spotopt", "agents", "simulator"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_python_3_9_can_read_it(path):
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))


def test_the_start_imports_nothing_big():
    listing = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, spotopt_agent.cli, spotopt_agent.agent; print(*sys.modules)",
        ],
        env={"PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    ).stdout.split()
    assert not {"asyncio", "xml.etree.ElementTree", "urllib.request", "uuid", "hmac"} & set(listing)


@pytest.mark.parametrize("name", sorted(settings.KEYS))
def test_every_setting_is_in_the_readme(name):
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", NAMES)
def test_every_hook_is_in_the_readme(name):
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", ["switch", "promote", "run_sync", "update_config", "terminate"])
def test_every_command_is_in_the_readme(name):
    assert f"`{name}`" in README


def test_the_readme_names_no_setting_that_is_not():
    named = set(re.findall(r"`((?:SPOTOPT|AWS)_[A-Z_]+)`", README))
    given_to_hooks = {
        "SPOTOPT_AGENT_ID",
        "SPOTOPT_INSTANCE_ID",
        "SPOTOPT_ROLE",
        "SPOTOPT_HOOK",
        "SPOTOPT_CONFIG",
    }
    assert named <= set(settings.KEYS) | given_to_hooks


def test_versions_agree():
    project = (SOURCES.parent / "pyproject.toml").read_text(encoding="utf-8")
    from spotopt_agent import __version__

    assert f'version = "{__version__}"' in project
