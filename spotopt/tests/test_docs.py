"""Docs that cannot rot: what the code has is documented, and what is documented is there."""

import re
from pathlib import Path

from spotopt import schedules

ROOT = Path(__file__).resolve().parents[2]
READS = re.compile(r"\b(?:text|switch|whole|words|address|required)\(\s*\"([A-Z][A-Z_]+)\"")
ROW = re.compile(r"^\| `([A-Z][A-Z_]+)` \|", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#]+)(?:#[^)]*)?\)")


def test_every_setting_is_documented_and_every_documented_setting_is_read():
    read = set(READS.findall((ROOT / "spotopt/settings.py").read_text()))
    documented = ROW.findall((ROOT / "docs/configuration.md").read_text())
    assert len(documented) == len(set(documented))
    assert set(documented) == read
    assert "DATABASE_URL" in read  # the pattern finds something


def test_every_schedule_is_documented():
    page = (ROOT / "docs/architecture.md").read_text()
    for periodic in schedules.SCHEDULES:
        assert f"`{periodic.func}`" in page


def test_the_map_names_every_module_of_the_apps():
    page = (ROOT / "docs/architecture.md").read_text()
    for app in ("clients", "pricing", "agents", "replicas", "mlengine"):
        for module in (ROOT / app).glob("*.py"):
            if module.stem not in ("__init__", "apps", "models", "admin", "api", "serializers"):
                assert f"`{module.stem}`" in page, f"{app}/{module.name}"


def test_links_between_pages_lead_somewhere():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "agent_daemon/README.md"]
    assert len(pages) > 3
    for page in pages:
        for target in LINK.findall(page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} → {target}"


def test_every_make_target_of_the_readme_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = set(re.findall(r"`?make ([a-z]+)", (ROOT / "README.md").read_text()))
    assert asked
    assert asked <= targets
