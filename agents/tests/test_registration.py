"""How machines join: new ones, known ones, standbys, replacements, and those that are refused."""

import dataclasses
import uuid
from datetime import timedelta

import pytest

from agents import access, instances, joining, placement, registration
from agents.joining import Claim
from agents.models import Agent, Command, Instance, Switch
from agents.tests import support
from agents.tests.support import fresh
from clients import auth, tokens
from clients.models import Client
from pricing.models import Pool
from spotopt.cloud.machine import Machine
from spotopt.lib.errors import BadInput, Conflict, Forbidden, NotFound
from spotopt.tests import cast
from spotopt.tests.cast import NOON

pytestmark = pytest.mark.django_db
CLAIM = Claim(
    instance_id="i-1234567890abcdef0",
    instance_type="t3.medium",
    region="us-east-1",
    mode="spot",
    az_name="us-east-1a",
    az_id="use1-az4",
    private_ip="10.0.0.5",
    agent_version="0.1.0",
    hooks=("sync",),
)
SEEN = Machine(
    instance_id=CLAIM.instance_id,
    state="running",
    az_name="us-east-1c",
    az_id="use1-az6",
    instance_type="m5.large",
    mode="on-demand",
    private_ip="10.9.9.9",
    launched_at=NOON - timedelta(days=1),
)


@pytest.fixture
def software(acme_token, now):
    """Acme's client token as a caller."""
    return auth.authenticate_text(acme_token, now)


@pytest.fixture
def join(software):
    """`join(is_replica=True, …)` registers as Acme's software at noon."""

    def register(*, caller=software, machine=None, now=NOON, expected="", **claimed):
        return registration.register(
            caller=caller,
            claim=dataclasses.replace(CLAIM, **claimed),
            machine=machine,
            now=now,
            expected_instance_id=expected,
        )

    return register


class TestNew:
    def test_a_machine_makes_a_slot(self, join, client_acme):
        done = join()
        agent, row = fresh(done.agent), fresh(done.instance)
        assert (done.created, done.role) == (True, "primary")
        assert (agent.client, agent.status) == (client_acme, "online")
        assert agent.stale_after == NOON + timedelta(seconds=90)
        assert (row.role, row.agent, row.pool_id) == ("primary", agent, "t3.medium.use1-az4")
        assert (row.az_name, row.az_id, row.mode) == ("us-east-1a", "use1-az4", "spot")
        assert (row.private_ip, row.agent_version, row.hooks) == ("10.0.0.5", "0.1.0", ["sync"])
        assert (row.registered_at, row.launched_at, row.last_heartbeat_at) == (NOON, NOON, NOON)
        assert row.suspect_after == NOON + timedelta(seconds=47)
        assert (row.verified, row.ours) == (False, False)

    def test_its_token_is_bound_to_it(self, join, client_acme, now):
        done = join(now=now)
        caller = auth.authenticate_text(done.token, now)
        assert caller is not None
        assert caller.kind == "agent"
        assert (caller.agent_id, caller.instance_id) == (done.agent.pk, CLAIM.instance_id)
        assert caller.client_id == client_acme.pk

    def test_the_clients_defaults_hold(self, join):
        Client.objects.update(target_savings_percent=70, max_switches_per_day=1)
        agent = join().agent
        assert (agent.target_savings_percent, agent.max_switches_per_day) == (70, 1)

    def test_ec2s_word_goes_before_the_machines(self, join):
        row = fresh(join(machine=SEEN).instance)
        assert row.verified is True
        assert (row.pool_id, row.az_name, row.mode) == (
            "m5.large.use1-az6",
            "us-east-1c",
            "on-demand",
        )
        assert (row.private_ip, row.launched_at) == ("10.9.9.9", SEEN.launched_at)

    def test_the_machine_speaks_where_ec2_is_silent(self, join):
        seen = dataclasses.replace(SEEN, az_id="", private_ip="", launched_at=None)
        row = fresh(join(machine=seen).instance)
        assert (row.az_id, row.private_ip, row.launched_at) == ("use1-az4", "10.0.0.5", NOON)

    def test_it_is_told(self, join):
        join()
        assert len(support.told("agent_registered")) == 1

    def test_two_clients_may_have_the_same_instance_id(self, join, other_token, now):
        other = auth.authenticate_text(other_token, now)
        assert join().agent != join(caller=other).agent

    def test_a_zone_of_another_region_is_refused(self, join):
        with pytest.raises(BadInput) as caught:
            join(az_id="usw2-az1")
        assert list(caught.value.errors) == ["az_id"]
        assert not Agent.objects.exists()
        assert not Pool.objects.exists()


class TestWho:
    def test_machines_and_people_may_not(self, join, slot, alice, now):
        for caller in (auth.authenticate_text(slot.token, now), auth.caller_of_user(alice)):
            with pytest.raises(Forbidden):
                join(caller=caller)

    def test_unverified_ones_only_where_allowed(self, join, settings):
        settings.REQUIRE_VERIFIED_INSTANCES = True
        with pytest.raises(registration.Unverified):
            join()
        assert not Agent.objects.exists()
        assert join(machine=SEEN).created
        assert not join().created  # it is known to be verified

    def test_the_limit(self, join, client_acme):
        Client.objects.update(agent_limit=1)
        join()
        with pytest.raises(joining.LimitReached) as caught:
            join(instance_id="i-2")
        assert (caught.value.status, caught.value.code) == (409, "agent_limit")
        assert Agent.objects.count() == Instance.objects.count() == 1

    def test_neither_standbys_nor_the_terminated_count(self, join, client_acme):
        Client.objects.update(agent_limit=1)
        first = join()
        join(instance_id="i-2", is_replica=True, parent_agent_id=first.agent.pk)
        join()
        registration.withdraw(agent=first.agent, now=NOON)
        assert join(instance_id="i-3").created


class TestAgain:
    def test_the_same_agent_with_a_new_token(self, join, now):
        first = join(now=now)
        again = join(now=now, agent_version="0.2.0", private_ip="10.0.0.6")
        assert (again.agent, again.instance) == (first.agent, first.instance)
        assert again.created is False
        assert again.token != first.token
        row = fresh(first.instance)
        assert (row.agent_version, row.private_ip) == ("0.2.0", "10.0.0.6")
        assert Agent.objects.count() == Instance.objects.count() == 1
        assert len(support.told("agent_registered")) == 1

    def test_the_earlier_token_lasts_ten_minutes(self, join, now):
        first = join(now=now)
        join(now=now)
        assert auth.authenticate_text(first.token, now + timedelta(minutes=9))
        assert auth.authenticate_text(first.token, now + timedelta(minutes=11)) is None

    def test_its_place_does_not_move(self, join):
        join()
        row = fresh(join(az_id="use1-az1", instance_type="c5.large").instance)
        assert row.pool_id == "t3.medium.use1-az4"

    def test_ec2_is_not_asked_for_zones_again(self, join, monkeypatch):
        join()
        monkeypatch.setattr(placement, "locate", lambda **_: pytest.fail("asked"))
        join(az_id="")

    def test_a_silent_agent_is_online_again(self, join):
        first = join()
        Agent.objects.update(status=Agent.Status.OFFLINE)
        join(now=NOON + timedelta(hours=1))
        agent = fresh(first.agent)
        assert (agent.status, agent.last_heartbeat_at) == ("online", NOON + timedelta(hours=1))

    def test_first_seen_stays(self, join):
        join()
        row = fresh(join(now=NOON + timedelta(hours=1)).instance)
        assert (row.registered_at, row.launched_at) == (NOON, NOON)

    def test_superseded_is_superseded(self, join, slot, standby):
        support.move(slot.primary, standby)
        for extra in ({}, {"rejoin": True}):
            with pytest.raises(access.Superseded):
                join(instance_id=slot.primary.instance_id, **extra)

    def test_a_rival_registers_it_between_the_look_and_the_lock(self, join, monkeypatch):
        """What was read before the lock is read again under it."""
        look = instances.by_ec2_id
        looks = []

        def blind_at_first(**which):
            looks.append(which)
            return None if len(looks) == 1 else look(**which)

        first = join()
        monkeypatch.setattr(instances, "by_ec2_id", blind_at_first)
        again = join()
        assert len(looks) == 2
        assert (again.agent, again.created) == (first.agent, False)


class TestStandbys:
    def test_it_keeps_the_parents_agent_id(self, join, slot):
        before = fresh(slot.agent)
        done = join(is_replica=True, parent_agent_id=slot.agent.pk)
        assert (done.agent, done.role, done.created) == (slot.agent, "standby", True)
        assert instances.primary_of(slot.agent) == slot.primary
        after = fresh(slot.agent)
        assert after.stale_after == before.stale_after
        assert after.last_heartbeat_at == before.last_heartbeat_at
        assert Agent.objects.count() == 1
        assert fresh(done.instance).suspect_after == NOON + timedelta(seconds=47)

    def test_again_it_is_the_same(self, join, slot):
        first = join(is_replica=True, parent_agent_id=slot.agent.pk)
        again = join(is_replica=True, parent_agent_id=slot.agent.pk)
        assert (again.instance, again.created, again.role) == (first.instance, False, "standby")

    @pytest.mark.parametrize("parent", ["foreign", "missing"])
    def test_a_parent_that_is_not_ours(self, join, other_slot, parent):
        key = other_slot.agent.pk if parent == "foreign" else uuid.uuid4()
        with pytest.raises(NotFound) as caught:
            join(is_replica=True, parent_agent_id=key)
        assert list(caught.value.errors) == ["parent_agent_id"]
        assert not Instance.objects.filter(instance_id=CLAIM.instance_id).exists()

    def test_a_parent_has_to_be_named(self, join, slot):
        with pytest.raises(BadInput) as caught:
            join(is_replica=True)
        assert list(caught.value.errors) == ["parent_agent_id"]

    def test_a_terminated_parent(self, join, slot):
        support.terminate(slot.agent)
        with pytest.raises(Conflict):
            join(is_replica=True, parent_agent_id=slot.agent.pk)

    def test_it_cannot_join_two_slots(self, join, slot, client_acme):
        sibling = cast.make_slot(client_acme, "i-0acme0000000009")
        join(is_replica=True, parent_agent_id=slot.agent.pk)
        with pytest.raises(Conflict):
            join(is_replica=True, parent_agent_id=sibling.agent.pk)

    def test_one_that_was_promoted_stays_primary(self, join, slot):
        done = join(is_replica=True, parent_agent_id=slot.agent.pk)
        support.move(slot.primary, done.instance)
        assert join(is_replica=True, parent_agent_id=slot.agent.pk).role == "primary"


class TestEnrolment:
    @pytest.fixture
    def launched(self, slot):
        """The record of a launch."""
        return instances.record_launch(
            agent=slot.agent,
            instance_id=CLAIM.instance_id,
            pool=cast.make_pool(az_id="use1-az2"),
            mode="spot",
            now=NOON,
        )

    @pytest.fixture
    def enrolment(self, slot, client_acme, now):
        """The caller with the token of the launched machine's user data."""
        text = tokens.issue_enrolment(client_acme, slot.agent.pk, uuid.uuid4(), 1, now)
        return auth.authenticate_text(text, now)

    def test_the_record_of_its_launch_is_its_row(self, join, launched, enrolment, slot):
        done = join(caller=enrolment, expected=CLAIM.instance_id)
        assert (done.instance, done.created, done.role) == (launched, True, "standby")
        row = fresh(launched)
        assert (row.verified, row.ours, row.pool_id) == (True, True, "t3.medium.use1-az2")
        assert (row.registered_at, row.launched_at) == (NOON, NOON)
        assert join(caller=enrolment).created is False

    def test_it_needs_no_is_replica(self, join, enrolment, slot):
        done = join(caller=enrolment)
        assert (done.agent, done.role) == (slot.agent, "standby")

    def test_another_machine_cannot_use_its_token(self, join, launched, enrolment):
        with pytest.raises(Forbidden):
            join(caller=enrolment, instance_id="i-0thief", expected=CLAIM.instance_id)
        assert not Instance.objects.filter(instance_id="i-0thief").exists()

    def test_it_cannot_join_another_slot_or_replace(self, join, enrolment, slot, client_acme):
        sibling = cast.make_slot(client_acme, "i-0acme0000000009")
        for claimed in (
            {"is_replica": True, "parent_agent_id": sibling.agent.pk},
            {"recovery_mode": True, "replacing_agent_id": slot.agent.pk},
        ):
            with pytest.raises(Forbidden):
                join(caller=enrolment, **claimed)

    def test_it_cannot_take_a_token_of_the_primary(self, join, enrolment, slot, client_acme):
        """Nothing stops a launched machine from naming the primary, except that its launch is on record."""
        with pytest.raises(Forbidden):
            join(
                caller=enrolment,
                instance_id=slot.primary.instance_id,
                expected=CLAIM.instance_id,
            )

    def test_the_launch_is_recorded_while_it_registers(self, join, enrolment, slot, monkeypatch):
        """The machine is quicker than the answer of RunInstances: both end in one row."""
        done = join(caller=enrolment)
        launched = instances.record_launch(
            agent=slot.agent,
            instance_id=CLAIM.instance_id,
            pool=cast.make_pool(az_id="use1-az4"),
            mode="spot",
            now=NOON,
        )
        assert launched == done.instance
        row = fresh(launched)
        assert (row.verified, row.ours, row.agent_version) == (True, True, "0.1.0")

    def test_verified_by_its_launch(self, join, launched, enrolment, settings):
        settings.REQUIRE_VERIFIED_INSTANCES = True
        assert join(caller=enrolment, expected=CLAIM.instance_id).created


class TestReplacements:
    @pytest.fixture
    def done(self, join, slot, standby):
        """Acme's agent was lost, and another machine has taken its place."""
        Agent.objects.filter(pk=slot.agent.pk).update(
            logical_agent_id="web-1", cooldown_minutes=7, enabled=False, state={"jobs": 3}
        )
        support.issue(slot.primary)
        return join(recovery_mode=True, replacing_agent_id=slot.agent.pk)

    def test_a_new_agent_linked_to_the_old(self, done, slot):
        agent, lost = fresh(done.agent), fresh(slot.agent)
        assert agent != lost
        assert (agent.replaces, done.role, done.created) == (lost, "primary", True)
        assert (agent.status, lost.status) == ("online", "terminated")
        assert lost.stale_after is None

    def test_name_settings_and_state_carry_over(self, done):
        agent = fresh(done.agent)
        assert (agent.logical_agent_id, agent.cooldown_minutes) == ("web-1", 7)
        assert (agent.enabled, agent.state) == (False, {"jobs": 3})

    def test_the_old_machine_is_fenced_and_its_commands_void(self, done, slot, standby):
        assert fresh(slot.primary).role == "superseded"
        assert fresh(standby).role == "standby"
        assert Command.objects.get().status == "expired"

    def test_it_is_a_switch(self, done, slot):
        switch = Switch.objects.get()
        assert (switch.agent, switch.switch_type) == (done.agent, "emergency_termination")
        assert (switch.from_instance, switch.to_instance) == (slot.primary, done.instance)

    def test_again_it_is_the_same(self, done, join, slot):
        again = join(recovery_mode=True, replacing_agent_id=slot.agent.pk)
        assert (again.agent, again.created) == (done.agent, False)
        assert Switch.objects.count() == 1

    def test_nobody_is_replaced_twice(self, done, join, slot):
        with pytest.raises(Conflict):
            join(instance_id="i-2", recovery_mode=True, replacing_agent_id=slot.agent.pk)
        assert Agent.objects.live().count() == 1

    def test_the_fenced_machine_cannot_come_back(self, done, join, slot):
        with pytest.raises(access.Superseded):
            join(instance_id=slot.primary.instance_id)

    def test_it_takes_no_more_of_the_limit(self, join, slot):
        Client.objects.update(agent_limit=1)
        assert join(recovery_mode=True, replacing_agent_id=slot.agent.pk).created

    def test_somebody_elses_agent(self, join, other_slot):
        with pytest.raises(NotFound):
            join(recovery_mode=True, replacing_agent_id=other_slot.agent.pk)
        assert fresh(other_slot.agent).status == "online"

    @pytest.mark.parametrize(
        ("claimed", "field"),
        [
            ({"recovery_mode": True}, "replacing_agent_id"),
            ({"recovery_mode": True, "is_replica": True}, "recovery_mode"),
        ],
    )
    def test_half_a_claim(self, join, claimed, field):
        with pytest.raises(BadInput) as caught:
            join(**claimed)
        assert list(caught.value.errors) == [field]


class TestLogicalIds:
    @pytest.fixture
    def web(self, client_acme):
        """The slot `web-1`, with a primary that is alive."""
        return cast.make_slot(client_acme, "i-0acme0000000001", logical_agent_id="web-1")

    def test_a_name_is_kept(self, join):
        assert join(logical_agent_id="web-1").agent.logical_agent_id == "web-1"

    def test_a_slot_that_is_served_is_taken(self, join, web):
        with pytest.raises(joining.SlotTaken) as caught:
            join(logical_agent_id="web-1")
        assert list(caught.value.errors) == ["logical_agent_id"]
        assert not Instance.objects.filter(instance_id=CLAIM.instance_id).exists()

    def vacate(self, web, how):
        if how == "silent":
            Agent.objects.filter(pk=web.agent.pk).update(status=Agent.Status.OFFLINE)
        elif how == "gone":
            instances.confirm_gone(web.primary, now=NOON)
        else:
            instances.release(web.primary, now=NOON)

    @pytest.mark.parametrize("how", ["silent", "gone", "released"])
    def test_a_vacant_slot_goes_to_the_next(self, join, web, how):
        self.vacate(web, how)
        done = join(logical_agent_id="web-1")
        assert (done.agent, done.role, done.created) == (web.agent, "primary", True)
        assert fresh(web.primary).role == ("released" if how == "released" else "superseded")
        assert Switch.objects.get().to_instance == done.instance
        assert not Command.objects.filter(command_type="promote").exists()
        assert fresh(web.agent).status == "online"

    def test_a_terminated_slots_name_is_free(self, join, web):
        support.terminate(web.agent)
        assert join(logical_agent_id="web-1").agent != web.agent

    def test_names_are_each_clients_own(self, join, web, other_token, now):
        other = auth.authenticate_text(other_token, now)
        assert join(caller=other, logical_agent_id="web-1").agent != web.agent


class TestReleased:
    def test_it_has_to_say_that_it_wants_to_come_back(self, join, slot):
        registration.withdraw(agent=slot.agent, now=NOON)
        with pytest.raises(access.Released):
            join(instance_id=slot.primary.instance_id)

    def test_then_it_makes_a_new_slot_with_the_same_row(self, join, slot):
        registration.withdraw(agent=slot.agent, now=NOON)
        done = join(instance_id=slot.primary.instance_id, rejoin=True)
        assert done.agent != slot.agent
        assert (done.instance, done.role) == (slot.primary, "primary")
        assert fresh(slot.primary).agent == done.agent
        assert done.created is False

    def test_rejoining_twice_is_registering_again(self, join, slot):
        registration.withdraw(agent=slot.agent, now=NOON)
        first = join(instance_id=slot.primary.instance_id, rejoin=True)
        again = join(instance_id=slot.primary.instance_id, rejoin=True)
        assert again.agent == first.agent


def test_what_fails_half_way_leaves_nothing(join, client_acme, monkeypatch):
    def broken(*_):
        raise RuntimeError("power cut")

    monkeypatch.setattr(tokens, "issue_agent", broken)
    with pytest.raises(RuntimeError):
        join()
    assert not Agent.objects.exists()
    assert not Instance.objects.exists()
