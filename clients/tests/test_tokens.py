"""Tokens: made, found, replaced, shown, moved to new keys, taken back."""

import re
import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError
from django.db.models import QuerySet

from clients import tokens
from clients.models import Token
from spotopt.tests import cast

AGENT = uuid.uuid4()
REPLICA = uuid.uuid4()
NOW = cast.NOON
MINUTE = timedelta(minutes=1)


@pytest.fixture
def two_keys(settings):
    def rotate():
        settings.TOKEN_KEYS = ["the new key", *settings.TOKEN_KEYS]

    return rotate


def test_each_kind_has_its_letter_and_shape(client_acme, staff):
    texts = {
        "c": tokens.issue_client(client_acme, NOW),
        "a": tokens.issue_agent(client_acme, AGENT, "i-1", NOW),
        "s": tokens.issue_staff(staff, NOW, timedelta(days=1)),
        "e": tokens.issue_enrolment(client_acme, AGENT, REPLICA, 1, NOW),
    }
    for letter, text in texts.items():
        assert re.fullmatch(rf"spo_{letter}_[A-Za-z0-9_-]{{43}}", text)
        found = tokens.lookup(text, NOW)
        assert found is not None
        assert tokens.LETTER[Token.Kind(found.kind)] == letter
        assert found.prefix == text[:12]


def test_the_table_holds_no_text(client_acme):
    text = tokens.issue_client(client_acme, NOW)
    row = Token.objects.values().get()
    assert not [value for value in row.values() if text in str(value)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "spo_c_",
        "spo_c_" + "x" * 43,
        "spo_x_" + "x" * 43,
        pytest.param("x" * 10_000, id="long"),
        "spo_c_\x00",
        "é",
    ],
)
def test_other_texts_are_no_tokens(client_acme, text):
    tokens.issue_client(client_acme, NOW)
    assert tokens.lookup(text, NOW) is None


def test_garbage_never_reaches_the_database(django_assert_num_queries, db):
    with django_assert_num_queries(0):
        tokens.lookup("not-a-token", NOW)


def test_a_client_has_one_token_and_the_old_one_ends_at_once(client_acme):
    old = tokens.issue_client(client_acme, NOW)
    new = tokens.issue_client(client_acme, NOW + MINUTE)
    assert tokens.lookup(old, NOW + MINUTE) is None
    assert tokens.lookup(new, NOW + MINUTE) is not None
    assert Token.objects.get().created_at == NOW + MINUTE


def test_the_database_refuses_a_second_client_token(client_acme):
    tokens.issue_client(client_acme, NOW)
    with pytest.raises(IntegrityError):
        Token.objects.create(kind="client", client=client_acme, digest="d", prefix="p")


def test_regenerating_leaves_agents_and_other_clients_alone(client_acme, client_other):
    other = tokens.issue_client(client_other, NOW)
    agent = tokens.issue_agent(client_acme, AGENT, "i-1", NOW)
    tokens.issue_client(client_acme, NOW)
    tokens.issue_client(client_acme, NOW)
    assert tokens.lookup(other, NOW) is not None
    assert tokens.lookup(agent, NOW) is not None


def test_reveal(client_acme, client_other):
    text = tokens.issue_client(client_acme, NOW)
    assert tokens.reveal_client(client_acme) == text
    with pytest.raises(tokens.TokenLost, match="regenerate"):
        tokens.reveal_client(client_other)


def test_an_instances_earlier_token_lasts_ten_minutes_more(client_acme):
    first = tokens.issue_agent(client_acme, AGENT, "i-1", NOW)
    tokens.issue_agent(client_acme, AGENT, "i-1", NOW + MINUTE)
    assert tokens.lookup(first, NOW + 10 * MINUTE) is not None
    assert tokens.lookup(first, NOW + 11 * MINUTE) is None


def test_a_third_registration_does_not_prolong_the_first(client_acme):
    first = tokens.issue_agent(client_acme, AGENT, "i-1", NOW)
    tokens.issue_agent(client_acme, AGENT, "i-1", NOW)
    third = tokens.issue_agent(client_acme, AGENT, "i-1", NOW + 9 * MINUTE)
    assert tokens.lookup(first, NOW + 11 * MINUTE) is None
    assert tokens.lookup(third, NOW + timedelta(days=365)) is not None


def test_the_standbys_token_does_not_touch_the_primarys(client_acme, client_other):
    primary = tokens.issue_agent(client_acme, AGENT, "i-1", NOW)
    elsewhere = tokens.issue_agent(client_other, AGENT, "i-2", NOW)
    tokens.issue_agent(client_acme, AGENT, "i-2", NOW)
    later = NOW + timedelta(days=1)
    assert tokens.lookup(primary, later) is not None
    assert tokens.lookup(elsewhere, later) is not None


def test_enrolment_is_the_same_text_for_the_same_attempt(client_acme, two_keys):
    first = tokens.issue_enrolment(client_acme, AGENT, REPLICA, 1, NOW)
    assert tokens.issue_enrolment(client_acme, AGENT, REPLICA, 1, NOW) == first
    assert tokens.issue_enrolment(client_acme, AGENT, REPLICA, 2, NOW) != first
    assert tokens.issue_enrolment(client_acme, AGENT, uuid.uuid4(), 1, NOW) != first
    two_keys()
    assert tokens.issue_enrolment(client_acme, AGENT, REPLICA, 1, NOW) == first
    found = tokens.lookup(first, NOW)
    assert found is not None
    assert (found.replica_id, found.agent_id) == (REPLICA, AGENT)


def test_enrolment_lives_thirty_minutes(client_acme):
    text = tokens.issue_enrolment(client_acme, AGENT, REPLICA, 1, NOW)
    assert tokens.lookup(text, NOW + 29 * MINUTE) is not None
    assert tokens.lookup(text, NOW + 30 * MINUTE) is None


def test_staff_tokens_end_with_their_time_and_with_the_person(staff):
    text = tokens.issue_staff(staff, NOW, timedelta(hours=1))
    assert tokens.lookup(text, NOW + timedelta(minutes=59)) is not None
    assert tokens.lookup(text, NOW + timedelta(hours=1)) is None
    for field in ("is_active", "is_staff"):
        setattr(staff, field, False)
        staff.save()
        assert tokens.lookup(text, NOW) is None
        setattr(staff, field, True)
        staff.save()
    assert tokens.lookup(text, NOW) is not None


def test_use_is_noted_once_a_minute(client_acme, django_assert_num_queries):
    text = tokens.issue_client(client_acme, NOW)
    with django_assert_num_queries(2):
        tokens.lookup(text, NOW)
    with django_assert_num_queries(1):
        tokens.lookup(text, NOW + timedelta(seconds=59))
    assert Token.objects.get().last_used_at == NOW
    tokens.lookup(text, NOW + MINUTE)
    assert Token.objects.get().last_used_at == NOW + MINUTE


def test_a_token_in_use_moves_to_the_new_key(client_acme, two_keys, settings):
    text = tokens.issue_client(client_acme, NOW)
    two_keys()
    assert tokens.lookup(text, NOW) is not None
    settings.TOKEN_KEYS = settings.TOKEN_KEYS[:1]
    assert tokens.lookup(text, NOW + MINUTE) is not None
    assert tokens.reveal_client(client_acme) == text


def test_with_its_key_gone_a_token_is_none_and_cannot_be_shown(client_acme, settings):
    text = tokens.issue_client(client_acme, NOW)
    settings.TOKEN_KEYS = ["another"]
    assert tokens.lookup(text, NOW) is None
    with pytest.raises(tokens.TokenLost, match="TOKEN_KEYS"):
        tokens.reveal_client(client_acme)


def test_a_token_replaced_while_it_is_looked_up_stays_replaced(client_acme, two_keys, monkeypatch):
    """The rival regenerates between the read and the note of use, which then must change nothing."""
    text = tokens.issue_client(client_acme, NOW)
    two_keys()
    read = QuerySet.first

    def first_then_rival(self):
        found = read(self)
        monkeypatch.setattr(QuerySet, "first", read)
        rivals.append(tokens.issue_client(client_acme, NOW))
        return found

    rivals: list[str] = []
    monkeypatch.setattr(QuerySet, "first", first_then_rival)
    tokens.lookup(text, NOW)
    assert tokens.lookup(text, NOW) is None
    assert tokens.lookup(rivals[0], NOW) is not None
    assert tokens.reveal_client(client_acme) == rivals[0]


def test_taking_back(client_acme, staff):
    first = tokens.issue_agent(client_acme, AGENT, "i-1", NOW)
    second = tokens.issue_agent(client_acme, AGENT, "i-2", NOW)
    launched = tokens.issue_enrolment(client_acme, AGENT, REPLICA, 1, NOW)
    bystander = tokens.issue_agent(client_acme, uuid.uuid4(), "i-3", NOW)
    person = tokens.issue_staff(staff, NOW)

    assert tokens.revoke_instance(client_acme, "i-1") == 1
    assert tokens.lookup(first, NOW) is None
    assert tokens.lookup(second, NOW) is not None
    assert tokens.revoke_enrolment(REPLICA) == 1
    assert tokens.lookup(launched, NOW) is None
    assert tokens.revoke_agent(AGENT) == 1
    assert tokens.lookup(second, NOW) is None
    assert tokens.revoke_staff(staff) == 1
    assert tokens.lookup(person, NOW) is None
    assert tokens.lookup(bystander, NOW) is not None


def test_purge_forgets_what_ran_out_a_day_ago(client_acme):
    tokens.issue_enrolment(client_acme, AGENT, REPLICA, 1, NOW)
    kept = tokens.issue_client(client_acme, NOW)
    assert tokens.purge(NOW + timedelta(hours=24)) == 0
    assert tokens.purge(NOW + timedelta(hours=25)) == 1
    assert tokens.lookup(kept, NOW) is not None
