"""A real daphne: what another process writes reaches a page that is open there."""

import os
import re
import subprocess
import sys
import urllib.request
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection

from clients import feed
from spotopt.tests import cast
from spotopt.tests.websocket import WebSocket

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

READY = re.compile(r"Listening on TCP address \S+:(\d+)")


def address_of_database() -> str:
    """The test database's address, which is not the one in the environment."""
    parts = urlsplit(settings.DATABASE_URL)
    return urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))


@pytest.fixture
def port():
    """Where daphne listens."""
    url = address_of_database()
    environment = {**os.environ, "DATABASE_URL": url, "DATABASE_DIRECT_URL": url}
    server = subprocess.Popen(
        [sys.executable, "-m", "daphne", "-p", "0", "spotopt.asgi:application"],
        env=environment,
        cwd=settings.BASE_DIR,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        said = []
        assert server.stderr is not None
        for line in server.stderr:
            said.append(line)
            if found := READY.search(line):
                yield int(found[1])
                break
        else:
            raise AssertionError("".join(said))
    finally:
        server.terminate()
        server.communicate(timeout=30)


@pytest.fixture
def page(port, alice):
    """Alice's open page."""
    cookie = cast.logged_in(alice).cookies["sessionid"].value
    socket = WebSocket(port, "/ws/feed", cookie=f"sessionid={cookie}")
    assert socket.status == 101
    yield socket
    socket.close()


def test_events_cross_processes_and_outlive_a_lost_listener(port, page, client_acme, client_other):
    def happen(client, message):
        return feed.record(
            client_id=client.pk, event_type="e", message=message, severity="info", now=cast.NOON
        )

    happen(client_other, "nothing to Alice")
    event = happen(client_acme, "something")
    hint = {"kind": "activity", "id": str(event.pk), "client_id": str(client_acme.pk)}
    assert page.receive() == hint

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = 'spotopt feed' AND datname = current_database()"
        )
        assert cursor.fetchone()[0] >= 1  # one of an earlier test may still be on its way out
    assert page.receive() == {"kind": "resync", "id": ""}
    event = happen(client_acme, "something else")
    assert page.receive()["id"] == str(event.pk)

    with urllib.request.urlopen(f"http://localhost:{port}/health", timeout=20) as answer:
        assert answer.status == 200


def test_nobody_is_turned_away(port):
    socket = WebSocket(port, "/ws/feed")
    assert socket.status == 403
    socket.close()
