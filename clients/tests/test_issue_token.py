"""`manage.py issue_token`."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from clients import tokens


def issue(*args):
    out = StringIO()
    call_command("issue_token", *args, stdout=out)
    return out.getvalue()


def test_it_prints_a_working_token_and_nothing_else(staff, now):
    text = issue("staff")
    assert text == text.strip() + "\n"
    token = tokens.lookup(text.strip(), now)
    assert token is not None
    assert token.user == staff


def test_each_is_another_and_the_earlier_ones_go_on(staff, now):
    first, second = issue("staff").strip(), issue("staff").strip()
    assert first != second
    assert tokens.lookup(first, now) is not None


def test_its_days(staff, now):
    text = issue("staff", "--days", "2").strip()
    assert tokens.lookup(text, now + timedelta(days=1)) is not None
    assert tokens.lookup(text, now + timedelta(days=3)) is None


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (["nobody"], "createsuperuser"),
        (["alice"], "not an active member"),
        (["staff", "--days", "0"], "--days"),
    ],
)
def test_what_is_wrong_is_said(staff, alice, args, why):
    with pytest.raises(CommandError, match=why):
        issue(*args)


def test_a_deactivated_member_of_staff_gets_none(staff):
    staff.is_active = False
    staff.save()
    with pytest.raises(CommandError, match="active"):
        issue("staff")
