"""Looking an agent up and checking access are one step; refusals come in their order."""

import uuid

import pytest

from agents import access
from agents.models import Instance
from agents.tests import support
from clients import auth, tokens
from clients.models import Client
from spotopt.lib.errors import Conflict, Forbidden, NotFound
from spotopt.tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def machine(slot, now):
    """The primary's own token as a caller."""
    return auth.authenticate_text(slot.token, now)


@pytest.fixture
def software(acme_token, now):
    """Acme's client token as a caller."""
    return auth.authenticate_text(acme_token, now)


def test_a_machine_finds_its_agent_in_one_query(slot, machine, django_assert_num_queries):
    with django_assert_num_queries(1):
        agent = access.agent_for(machine, str(slot.agent.pk))
        assert agent.client.name == "Acme"


def test_a_machine_finds_no_other_agent_of_its_own_client(slot, machine, client_acme):
    sibling = cast.make_slot(client_acme, "i-0acme0000000009")
    with pytest.raises(NotFound):
        access.agent_for(machine, sibling.agent.pk)


@pytest.mark.parametrize(
    "text", ["x", "", "1", "9f1d4f0e-6f0a-4f0e-8d35-6d2f2a1f0c11", "../..", "0" * 200]
)
def test_what_is_no_agent_is_not_found(software, text):
    with pytest.raises(NotFound):
        access.agent_for(software, text)


def test_foreign_and_missing_read_alike(software, other_slot):
    with pytest.raises(NotFound) as foreign:
        access.agent_for(software, other_slot.agent.pk)
    with pytest.raises(NotFound) as missing:
        access.agent_for(software, uuid.uuid4())
    assert foreign.value.message == missing.value.message


def test_bob_sees_and_may_not_write(slot, bob):
    caller = auth.caller_of_user(bob)
    assert access.agent_for(caller, slot.agent.pk) == slot.agent
    with pytest.raises(Forbidden):
        access.agent_for(caller, slot.agent.pk, write=True)


def test_his_role_is_refused_before_the_object_is_looked_up(bob, django_assert_num_queries):
    caller = auth.caller_of_user(bob)
    with django_assert_num_queries(0), pytest.raises(Forbidden):
        access.agent_for(caller, uuid.uuid4(), write=True)


def test_one_who_writes_elsewhere_gets_404_for_a_foreign_agent(slot, charlie):
    with pytest.raises(NotFound):
        access.agent_for(auth.caller_of_user(charlie), slot.agent.pk, write=True)


def test_a_viewer_here_who_owns_elsewhere_may_not_write_here(slot, bob, client_other):
    client_other.memberships.create(user=bob, role="owner")
    with pytest.raises(Forbidden):
        access.agent_for(auth.caller_of_user(bob), slot.agent.pk, write=True)


@pytest.mark.parametrize("write", [False, True])
def test_staff_reaches_every_agent(slot, other_slot, staff, write):
    caller = auth.caller_of_user(staff)
    for each in (slot, other_slot):
        assert access.agent_for(caller, each.agent.pk, write=write) == each.agent


def test_the_kind_is_refused_first(slot, alice, machine):
    with pytest.raises(Forbidden):
        access.agent_for(auth.caller_of_user(alice), slot.agent.pk, kinds=access.MACHINES)
    with pytest.raises(Forbidden):
        access.agent_for(machine, uuid.uuid4(), kinds=access.PEOPLE)


def test_enrolment_tokens_reach_no_agent(slot, client_acme, now):
    text = tokens.issue_enrolment(client_acme, slot.agent.pk, uuid.uuid4(), 1, now)
    caller = support.caller(text, now)
    with pytest.raises(Forbidden):
        access.agent_for(caller, slot.agent.pk)


@pytest.mark.parametrize(
    ("role", "refusal"),
    [(Instance.Role.SUPERSEDED, access.Superseded), (Instance.Role.RELEASED, access.Released)],
)
def test_a_machine_after_its_time(slot, machine, software, role, refusal):
    Instance.objects.filter(pk=slot.primary.pk).update(role=role)
    with pytest.raises(refusal):
        access.agent_for(machine, slot.agent.pk)
    agent = access.agent_for(machine, slot.agent.pk, fenced_ok=True)
    with pytest.raises(refusal):
        access.machine_for(machine, agent)
    with pytest.raises(refusal):  # whatever its token
        access.machine_for(software, agent, instance_id=slot.primary.instance_id)
    assert access.machine_for(machine, agent, fenced_ok=True) == slot.primary


def test_the_two_refusals_differ_on_the_wire():
    assert (access.Superseded("i-1").status, access.Superseded("i-1").code) == (409, "superseded")
    assert (access.Released("i-1").status, access.Released("i-1").code) == (409, "released")


def test_a_clients_token_speaks_for_the_primary_or_the_named(slot, standby, software):
    agent = access.agent_for(software, slot.agent.pk)
    assert access.machine_for(software, agent) == slot.primary
    assert access.machine_for(software, agent, instance_id=standby.instance_id) == standby
    with pytest.raises(NotFound):
        access.machine_for(software, agent, instance_id="i-nowhere")


def test_no_other_slots_machine_can_be_named(slot, software, client_acme):
    sibling = cast.make_slot(client_acme, "i-0acme0000000009")
    with pytest.raises(NotFound):
        access.machine_for(software, slot.agent, instance_id=sibling.primary.instance_id)


def test_a_machine_cannot_speak_for_another(slot, standby, machine):
    with pytest.raises(Forbidden):
        access.machine_for(machine, slot.agent, instance_id=standby.instance_id)


def test_a_slot_without_a_primary_says_so(slot, software):
    Instance.objects.filter(pk=slot.primary.pk).update(role=Instance.Role.STANDBY)
    with pytest.raises(NotFound, match="no primary"):
        access.machine_for(software, slot.agent)


def test_who_may_enrol(slot, client_acme, acme_token, machine, alice, staff, now):
    software = support.caller(acme_token, now)
    assert access.enrolled_client(software) == client_acme
    for caller in (machine, auth.caller_of_user(alice), auth.caller_of_user(staff)):
        with pytest.raises(Forbidden):
            access.enrolled_client(caller)


def test_a_client_that_is_being_deleted_takes_no_machines(client_acme, software):
    Client.objects.update(status=Client.Status.DELETING)
    with pytest.raises(Conflict):
        access.enrolled_client(software)


def test_a_terminated_agent_is_still_seen(slot, software):
    support.terminate(slot.agent)
    assert access.agent_for(software, slot.agent.pk).status == "terminated"
