"""Every route against every kind of caller, from the tables in `access/`.

A table is named `METHOD /api/path/<placeholder>` as in the routes, and has `expect`, the status for
each of nine callers; `body` and `query` where the call needs them. Nobody and a wrong token are 401
everywhere, unless the table says `open = true`. Placeholders stand for what is Acme's (scene.py).
"""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from rest_framework.test import APIClient

from clients import auth
from spotopt.tests import cast, routes
from spotopt.tests.scene import CALLERS, Scene, scene

__all__ = ["scene"]

FILES = sorted((Path(__file__).parent / "access").glob("*.toml"))
TABLE: dict[str, dict[str, Any]] = {}
for file in FILES:
    TABLE |= tomllib.loads(file.read_text())
CLOSED = [name for name, row in TABLE.items() if not row.get("open")]


def call(api: APIClient, endpoint: str, values: dict[str, str]) -> Any:
    """Call an endpoint; whatever it does is undone."""
    row = TABLE[endpoint]
    method, path = endpoint.split(" ", 1)
    url = re.sub(r"<(\w+)>", lambda found: values[found[1]], path)
    if query := row.get("query"):
        url += "?" + re.sub(r"<(\w+)>", lambda found: values[found[1]], query)
    body = fill(row.get("body"), values)
    with transaction.atomic():
        response = api.generic(
            method, url, "" if body is None else json.dumps(body), content_type="application/json"
        )
        transaction.set_rollback(True)
    return response


def fill(value: Any, values: dict[str, str]) -> Any:
    """Placeholders in a body are filled in as in a path."""
    if isinstance(value, str):
        return re.sub(r"<(\w+)>", lambda found: values.get(found[1], found[0]), value)
    if isinstance(value, dict):
        return {key: fill(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, values) for item in value]
    return value


def test_every_route_has_a_row_and_every_row_a_route():
    found = routes.endpoints()
    assert sorted(found - set(TABLE)) == [], "routes without a row"
    assert sorted(set(TABLE) - found) == [], "rows without a route"


def test_no_row_is_given_twice():
    names = [name for file in FILES for name in tomllib.loads(file.read_text())]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("endpoint", CLOSED)
def test_every_caller_is_named(endpoint):
    assert set(TABLE[endpoint]["expect"]) == set(CALLERS)


@pytest.mark.parametrize("endpoint", CLOSED)
def test_each_caller_gets_what_is_its_due(scene: Scene, endpoint):
    got = {
        name: call(scene.callers[name], endpoint, dict(scene.values)).status_code
        for name in CALLERS
    }
    assert got == {name: TABLE[endpoint]["expect"][name] for name in CALLERS}


@pytest.mark.parametrize("endpoint", CLOSED)
@pytest.mark.parametrize("token", [None, "wrong", "spo_c_" + "x" * 43])
def test_no_credential_and_a_wrong_one_are_401(db, endpoint, token):
    values = dict.fromkeys(re.findall(r"<(\w+)>", str((endpoint, TABLE[endpoint]))), "x")
    api = APIClient() if token is None else cast.bearer(token)
    response = call(api, endpoint, values)
    assert response.status_code == 401
    assert response.json()["status"] == "error"
    auth.wrong_tokens.clear()


@pytest.mark.parametrize("endpoint", [name for name in CLOSED if "_id>" in name])
def test_a_foreign_object_reads_like_a_missing_one(scene: Scene, endpoint):
    """For whoever is told 404 about Acme's: the same answer about what nobody has."""
    nobodys = dict.fromkeys(scene.values, "00000000-0000-4000-8000-000000000000")
    for name, status in TABLE[endpoint]["expect"].items():
        if status != 404:
            continue
        foreign = call(scene.callers[name], endpoint, dict(scene.values))
        missing = call(scene.callers[name], endpoint, nobodys)
        assert (missing.status_code, missing.json()) == (404, foreign.json()), name
