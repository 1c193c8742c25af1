"""Every test run has a database: the one DATABASE_URL names, else a throwaway one of its own.

It has to be there before the settings are read, which pytest-django would do before this file is
imported; so pytest's own configuration names no settings module, and this file does.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from spotopt import localdb

run: dict[str, localdb.LocalDatabase] = {}
# A worker of a parallel run has its leader's environment: one server, one data folder, one secret key.
WORKER = "PYTEST_XDIST_WORKER" in os.environ
data_dir = Path() if WORKER else Path(tempfile.mkdtemp(prefix="spotopt-tests-"))


def prepare() -> None:
    """Point the settings at a database and at a data folder that no installation uses."""
    if WORKER:
        settings.DATABASES  # noqa: B018
        return
    if settings.configured and not os.environ.get("DATABASE_URL"):
        raise pytest.UsageError(
            "The settings were read before the test database was started:"
            " unset DJANGO_SETTINGS_MODULE (and leave out --ds), or set DATABASE_URL."
        )
    # Within the database's own folder, which goes when this process does, however it ends.
    os.environ["DATA_DIR"] = str(data_dir / "localdb" / "data")
    if not os.environ.get("DATABASE_URL"):
        run["database"] = localdb.start(data_dir, throwaway=True)
        os.environ["DATABASE_URL"] = run["database"].url
        os.environ["DATABASE_DIRECT_URL"] = run["database"].url
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "spotopt.settings")
    settings.DATABASES  # noqa: B018 - read now: pytest-django sets Django up if they are configured


try:
    prepare()
except BaseException:
    if not WORKER:
        shutil.rmtree(data_dir, ignore_errors=True)
    raise


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    # Not `pytest_plugins`: these import models, which need Django set up first.
    for fixtures in ("cast", "live"):
        config.pluginmanager.import_plugin(f"spotopt.tests.{fixtures}")


@pytest.hookimpl(wrapper=True)
def pytest_unconfigure() -> Iterator[None]:
    try:
        return (yield)
    finally:
        if database := run.pop("database", None):
            database.stop()
        if not WORKER:
            shutil.rmtree(data_dir, ignore_errors=True)
