"""`GET pending-commands?wait=S` through the ASGI application: answered by hints, without a thread held."""

import asyncio
import json
import threading

import pytest
import pytest_asyncio
from channels.db import database_sync_to_async
from channels.testing import HttpCommunicator
from django.db import OperationalError, connection
from django.utils import timezone

from agents import consumers, polling
from agents.models import Command, Instance
from agents.tests import support
from agents.tests.support import fresh
from clients import feed, tokens
from spotopt import asgi
from spotopt.tests import cast

pytestmark = pytest.mark.django_db(transaction=True)
LONG = 10  # seconds that a test gives what should come at once


def here(function, *args, **kwargs):
    """A database call of the test's own."""
    return database_sync_to_async(function)(*args, **kwargs)


def issue(instance, **fields):
    return support.issue(instance, now=timezone.now(), **fields)


def alone(function):
    """As `consumers.in_thread`; Channels' communicators leave it to the test to close connections."""

    def and_close(*args):
        try:
            return function(*args)
        finally:
            connection.close()

    return database_sync_to_async(and_close, thread_sensitive=False)


@pytest_asyncio.fixture
async def held(listening, slot, monkeypatch):
    """`held(token, wait=20)` opens a request; `await answer(it)` has its status and body."""
    monkeypatch.setattr(consumers, "in_thread", alone)
    opened = []

    def open_one(token=slot.token, agent=slot.agent.pk, **query):
        text = "&".join(f"{name}={value}" for name, value in query.items())
        one = HttpCommunicator(
            asgi.application,
            "GET",
            f"/api/agents/{agent}/pending-commands?{text}",
            headers=[(b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode())],
        )
        opened.append(one)
        return one

    yield open_one
    for one in opened:
        await one.send_input({"type": "http.disconnect"})
        await one.wait(LONG)
    await here(lambda: connection.close())


async def answer(request, timeout=LONG):
    got = await request.get_response(timeout)
    return got["status"], json.loads(got["body"])


@pytest.fixture
def looks(monkeypatch):
    """Set whenever a held request has looked and found nothing: from then on it waits for a hint."""
    looked = asyncio.Event()
    look = consumers.has_news

    async def wait():
        await asyncio.wait_for(looked.wait(), LONG)
        looked.clear()

    def has_news(instance):
        found = look(instance)
        if not found:
            loops[0].call_soon_threadsafe(looked.set)
        return found

    loops = []

    def arm():
        loops.append(asyncio.get_running_loop())
        monkeypatch.setattr(consumers, "has_news", has_news)
        return wait

    return arm


@pytest.fixture
def no_second_look(monkeypatch):
    """Hints have to bring it: the look that makes up for lost ones never comes."""
    monkeypatch.setattr(consumers, "LOOK_AGAIN_SECONDS", 1000)


async def test_a_command_that_is_there_is_answered_at_once(held, slot):
    command = await here(issue, slot.primary)
    status, body = await answer(held(wait=25))
    assert status == 200
    assert [one["command_id"] for one in body["commands"]] == [str(command.pk)]
    assert (await here(fresh, command)).status == "delivered"


async def test_one_that_comes_meanwhile(held, slot, looks, no_second_look):
    quiet = looks()
    request = held(wait=25)
    waiting = asyncio.ensure_future(answer(request))
    await quiet()
    await here(issue, slot.primary, priority=Command.Priority.EMERGENCY)
    status, body = await waiting
    assert (status, body["commands"][0]["priority"]) == (200, 100)


async def test_the_answer_is_the_views(held, slot):
    await here(issue, slot.primary, parameters={"a": 1})
    _, body = await answer(held(wait=25))
    plain = await here(lambda: slot.api.get(f"/api/agents/{slot.agent.pk}/pending-commands").json())
    assert body == plain


async def test_nothing_comes(held):
    assert await answer(held(wait=1)) == (200, {"commands": []})


async def test_fencing_is_answered_at_once(held, slot, standby, looks, no_second_look):
    quiet = looks()
    waiting = asyncio.ensure_future(answer(held(wait=25)))
    await quiet()
    await here(support.move, slot.primary, standby)
    status, body = await waiting
    assert (status, body["code"], body["status"]) == (409, "superseded", "error")


async def test_the_promoted_standby_is_answered_at_once(held, slot, standby, looks, no_second_look):
    token = await here(cast.agent_token, slot.agent, standby.instance_id)
    quiet = looks()
    waiting = asyncio.ensure_future(answer(held(token, wait=25)))
    await quiet()
    await here(support.move, slot.primary, standby, now=timezone.now())
    status, body = await waiting
    assert (status, [one["command_type"] for one in body["commands"]]) == (200, ["promote"])


async def test_release_is_answered_at_once(held, slot, looks, no_second_look):
    from agents import registration

    quiet = looks()
    waiting = asyncio.ensure_future(answer(held(wait=25)))
    await quiet()
    await here(registration.withdraw, agent=slot.agent, now=timezone.now())
    status, body = await waiting
    assert (status, body["code"]) == (409, "released")


async def test_another_machines_command_wakes_nobody(held, slot, standby, looks, no_second_look):
    quiet = looks()
    request = held(wait=2)
    waiting = asyncio.ensure_future(answer(request))
    await quiet()
    await here(issue, standby)
    assert await waiting == (200, {"commands": []})


async def test_a_lost_hint_is_made_up_for(held, slot, looks, monkeypatch):
    monkeypatch.setattr(consumers, "LOOK_AGAIN_SECONDS", 0.2)
    monkeypatch.setattr(consumers, "SPREAD_SECONDS", 0)
    monkeypatch.setattr(feed, "wake_machine", lambda _: None)
    quiet = looks()
    waiting = asyncio.ensure_future(answer(held(wait=25)))
    await quiet()
    await here(issue, slot.primary)
    assert (await waiting)[0] == 200


async def test_the_listeners_return_makes_all_look_again(
    held, slot, looks, no_second_look, monkeypatch
):
    from clients import bridge

    monkeypatch.setattr(feed, "wake_machine", lambda _: None)
    quiet = looks()
    waiting = asyncio.ensure_future(answer(held(wait=25)))
    await quiet()
    await here(issue, slot.primary)
    await bridge.resynchronise()
    _, body = await waiting
    assert len(body["commands"]) == 1


async def test_without_a_working_layer_it_looks_now_and_then(held, slot, monkeypatch):
    class Broken:
        async def new_channel(self):
            raise ConnectionError

    monkeypatch.setattr(consumers, "get_channel_layer", Broken)
    monkeypatch.setattr(consumers, "LOOK_AGAIN_SECONDS", 0.2)
    await here(issue, slot.primary)
    status, body = await answer(held(wait=25))
    assert (status, len(body["commands"])) == (200, 1)


async def test_what_was_just_delivered_is_not_answered_again_at_once(held, slot, looks):
    await here(issue, slot.primary)
    await answer(held(wait=25))
    quiet = looks()
    waiting = asyncio.ensure_future(answer(held(wait=25)))
    await quiet()  # it waits although a command is open
    second = await here(issue, slot.primary, dedupe_key="second")
    _, body = await waiting
    assert str(second.pk) in [one["command_id"] for one in body["commands"]]
    assert len(body["commands"]) == 2


async def test_at_the_end_of_the_wait_all_that_is_open_is_answered(held, slot):
    await here(issue, slot.primary)
    await answer(held(wait=25))
    _, body = await answer(held(wait=1))
    assert len(body["commands"]) == 1


async def test_a_hint_between_the_look_and_the_wait_is_not_lost(held, slot, monkeypatch):
    """The command is issued after the look has found nothing, and before anybody waits for hints."""
    look = consumers.has_news
    looked = []

    def then_a_command(instance):
        found = look(instance)
        looked.append(found)
        if len(looked) == 1:
            issue(slot.primary)
        return found

    monkeypatch.setattr(consumers, "has_news", then_a_command)
    monkeypatch.setattr(consumers, "LOOK_AGAIN_SECONDS", 1000)
    _, body = await answer(held(wait=25))
    assert len(body["commands"]) == 1
    assert looked[0] is False


async def test_fenced_between_the_look_and_the_answer(held, slot, standby, monkeypatch):
    """What is answered is looked up anew: a machine fenced meanwhile gets no commands."""
    await here(issue, slot.primary)
    look = consumers.has_news

    def then_fenced(instance):
        found = look(instance)
        support.move(fresh(slot.primary), fresh(standby))
        return found

    monkeypatch.setattr(consumers, "has_news", then_fenced)
    status, body = await answer(held(wait=25))
    assert (status, body["code"]) == (409, "superseded")


@pytest.mark.parametrize("wait", ["26", "99999", "1e1", "x"])
async def test_a_wait_that_is_none(held, wait):
    status, body = await answer(held(wait=wait))
    assert (status, list(body["errors"])) == (400, ["wait"])


async def test_the_same_refusals_as_the_view(held, slot, other_slot, bob, client_acme):
    enrolment = await here(
        tokens.issue_enrolment, client_acme, slot.agent.pk, slot.agent.pk, 1, timezone.now()
    )
    cases = {"nonsense": 401, "spo_a_" + "x" * 43: 401, enrolment: 403, other_slot.token: 404}
    for token, expected in cases.items():
        status, body = await answer(held(token, wait=5))
        assert (status, body["status"]) == (expected, "error")
    status, _ = await answer(held(agent="nonsense", wait=5))
    assert status == 404


async def test_no_credential_is_a_401_with_a_challenge(held, slot):
    request = HttpCommunicator(
        asgi.application,
        "GET",
        f"/api/agents/{slot.agent.pk}/pending-commands?wait=5",
        headers=[(b"host", b"localhost")],
    )
    got = await request.get_response(LONG)
    assert got["status"] == 401
    assert b"Bearer" in dict(got["headers"])[b"www-authenticate"]
    assert json.loads(got["body"])["errors"] == {}


async def test_a_client_token_waits_for_the_machine_it_names(held, acme_token, slot, standby):
    mine = await here(issue, standby)
    await here(issue, slot.primary)
    _, body = await answer(held(acme_token, wait=5, instance_id=standby.instance_id))
    assert [one["command_id"] for one in body["commands"]] == [str(mine.pk)]


async def test_a_database_out_of_reach_is_a_503(held, monkeypatch):
    def broken(question):
        raise OperationalError("gone")

    monkeypatch.setattr(polling, "machine", broken)
    request = held(wait=5)
    got = await request.get_response(LONG)
    assert got["status"] == 503
    assert b"retry-after" in dict(got["headers"])


async def test_a_bug_is_a_500_in_the_apis_shape(held, monkeypatch):
    def broken(question):
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(polling, "machine", broken)
    status, body = await answer(held(wait=5))
    assert (status, body["status"]) == (500, "error")
    assert "secret" not in json.dumps(body)


async def test_a_client_that_goes_leaves_nothing_behind(held, slot, looks, layer):
    quiet = looks()
    request = held(wait=25)
    await request.send_input({"type": "http.request", "body": b""})
    await quiet()
    assert feed.machine_group(slot.primary.pk) in layer.groups
    await request.send_input({"type": "http.disconnect"})
    await request.wait(LONG)
    assert feed.machine_group(slot.primary.pk) not in layer.groups
    assert feed.MACHINES not in layer.groups
    assert await request.receive_nothing()


async def test_an_answered_request_leaves_nothing_behind(held, slot, layer):
    request = held(wait=1)
    await answer(request)
    await request.wait(LONG)
    assert feed.machine_group(slot.primary.pk) not in layer.groups


async def test_an_endless_body_is_cut_off(held):
    request = held(wait=25)
    for _ in range(3):
        await request.send_input({"type": "http.request", "body": b"x" * 40_000, "more_body": True})
    await request.wait(LONG)


async def test_no_thread_is_held_while_it_waits(held, slot, looks):
    """More requests wait than the executor has threads, and a command still gets through."""
    number = 40
    started = threading.active_count()
    tokens_of = [slot.token] * number
    quiet = looks()
    waiting = [asyncio.ensure_future(answer(held(token, wait=25), 20)) for token in tokens_of]
    await quiet()
    assert threading.active_count() - started < number
    await here(issue, slot.primary)
    first = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=20)
    assert first[0]
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_wait_of_zero_is_answered_by_the_view(held, slot):
    assert await answer(held(wait=0)) == (200, {"commands": []})


def test_a_look_is_one_query(slot, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert not polling.has_news(slot.primary, now=timezone.now())


def test_a_machine_that_was_deleted_is_news(slot):
    Instance.objects.filter(pk=slot.primary.pk).delete()
    assert polling.has_news(slot.primary, now=timezone.now())
