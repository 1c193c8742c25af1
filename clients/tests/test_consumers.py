"""The feed's websocket: who may open it, what comes through, what doesn't."""

from uuid import uuid4

import pytest
import pytest_asyncio
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator

from clients import feed
from clients.models import Membership
from spotopt import asgi
from spotopt.tests import cast

pytestmark = pytest.mark.django_db(transaction=True)

publish = database_sync_to_async(feed.publish)
ORIGIN = (b"origin", b"http://localhost")


@pytest_asyncio.fixture
async def socket(listening):
    """`await socket(user)` opens the feed with that person's session."""
    opened = []

    @database_sync_to_async
    def cookie(user):
        return cast.logged_in(user).cookies["sessionid"].value

    async def open_one(user=None, path="/ws/feed", origin=ORIGIN):
        headers = [origin, (b"host", b"localhost")]
        if user is not None:
            headers.append((b"cookie", f"sessionid={await cookie(user)}".encode()))
        communicator = WebsocketCommunicator(asgi.application, path, headers=headers)
        opened.append(communicator)
        communicator.accepted, _ = await communicator.connect(timeout=10)
        return communicator

    yield open_one
    for communicator in opened:
        await communicator.disconnect()


async def test_nobody_is_turned_away(socket):
    assert not (await socket()).accepted


async def test_another_sites_page_is_turned_away(socket, alice):
    assert not (await socket(alice, origin=(b"origin", b"https://evil.example"))).accepted


async def test_another_address_is_turned_away(socket, alice):
    assert not (await socket(alice, path="/ws/nothing")).accepted


async def test_the_deactivated_are_turned_away(socket, alice):
    alice.is_active = False
    await alice.asave()
    assert not (await socket(alice)).accepted


async def test_what_alice_bob_and_charlie_hear(
    socket, alice, bob, charlie, client_acme, client_other
):
    sockets = [await socket(user) for user in (alice, bob, charlie)]
    acme = {"kind": "replica", "id": "1", "client_id": str(client_acme.pk)}
    other = {"kind": "replica", "id": "2", "client_id": str(client_other.pk)}
    await publish(client_id=client_acme.pk, kind="replica", id="1")
    await publish(client_id=client_other.pk, kind="replica", id="2")
    await publish(client_id=None, kind="installation")
    assert [await one.receive_json_from(timeout=10) for one in sockets] == [acme, acme, other]
    for one in sockets:
        assert await one.receive_nothing(timeout=0.05)


async def test_staff_hears_everything_once(socket, staff, client_acme):
    one = await socket(staff)
    await publish(client_id=client_acme.pk, kind="a")
    await publish(client_id=None, kind="b")
    assert [(await one.receive_json_from(timeout=10))["kind"] for _ in range(2)] == ["a", "b"]


async def test_it_says_only_what_has_changed(socket, alice, client_acme):
    one = await socket(alice)
    await database_sync_to_async(feed.record)(
        client_id=client_acme.pk, event_type="e", message="m", severity="info", now=cast.NOON
    )
    hint = await one.receive_json_from(timeout=10)
    assert set(hint) == {"kind", "id", "client_id"}


@pytest.mark.parametrize("text", ["{", "hello", '{"type": "feed.hint"}'])
async def test_what_a_page_says_is_ignored(socket, alice, client_acme, text):
    one = await socket(alice)
    await one.send_to(text_data=text)
    await one.send_to(bytes_data=b"\x00")
    await one.send_input({"type": "websocket.receive", "text": ""})
    await publish(client_id=client_acme.pk, kind="after")
    assert (await one.receive_json_from(timeout=10))["kind"] == "after"


async def test_who_is_removed_hears_no_more(socket, bob, client_acme):
    one = await socket(bob)
    await Membership.objects.filter(user=bob).adelete()
    await publish(client_id=client_acme.pk, kind="access")
    await one.receive_json_from(timeout=10)
    await publish(client_id=client_acme.pk, kind="secret")
    assert await one.receive_nothing(timeout=0.3)


async def test_who_is_deactivated_is_cut_off(socket, bob, client_acme):
    one = await socket(bob)
    bob.is_active = False
    await bob.asave()
    await publish(client_id=client_acme.pk, kind="access")
    closed = await one.receive_output(timeout=10)
    assert (closed["type"], closed["code"]) == ("websocket.close", 4401)


async def test_a_closed_socket_leaves_its_groups(socket, alice, client_acme, listening):
    one = await socket(alice)
    assert feed.client_group(client_acme.pk) in listening.groups
    await one.disconnect()
    assert feed.client_group(client_acme.pk) not in listening.groups
    await publish(client_id=uuid4(), kind="after")
