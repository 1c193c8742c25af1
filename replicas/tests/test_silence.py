"""Silence, and what EC2 says of the silent: gone, impaired, or running for all we know."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agents.models import Instance
from replicas import reconcile
from replicas.models import InterruptionEvent
from replicas.tests.world import later
from spotopt.cloud import compute

pytestmark = pytest.mark.django_db


@pytest.fixture
def protected(world, primary):
    """A machine with a standby, so that a failover shows at once."""
    primary.standby = world.standby(primary)
    return primary


def fall_silent(machine, **ago):
    Instance.objects.filter(instance_id=machine.instance_id).update(
        last_heartbeat_at=timezone.now() - timedelta(**ago),
        suspect_after=timezone.now() - timedelta(seconds=1),
    )


def deaths():
    return InterruptionEvent.objects.filter(kind="death").count()


def test_a_silent_machine_that_runs_stays_the_primary(world, protected):
    fall_silent(protected, minutes=5)
    reconcile.check_suspects(clock=timezone.now)
    assert deaths() == 0
    assert world.primaries(protected.agent_id) == [protected.instance_id]


def test_it_is_looked_at_again_soon_and_not_at_once(world, protected):
    fall_silent(protected, minutes=5)
    reconcile.check_suspects(clock=timezone.now)
    assert protected.row.suspect_after > timezone.now() + timedelta(seconds=3)


def test_a_silent_machine_that_is_gone_is_replaced(world, protected):
    world.kill(protected.instance_id)
    fall_silent(protected, minutes=1)
    reconcile.check_suspects(clock=timezone.now)
    assert deaths() == 1
    assert world.primaries(protected.agent_id) == [protected.standby.instance_id]


def test_silence_is_borne_for_a_quarter_of_an_hour(world, protected):
    fall_silent(protected, minutes=16)
    reconcile.check_suspects(clock=timezone.now)
    assert world.primaries(protected.agent_id) == [protected.standby.instance_id]


def test_a_silent_machine_whose_checks_fail_is_replaced_at_once(world, protected, monkeypatch):
    real = compute.describe

    def impaired(account, region, ids, **asked):
        from dataclasses import replace

        return {
            key: replace(seen, checks="impaired")
            for key, seen in real(account, region, ids).items()
        }

    monkeypatch.setattr(compute, "describe", impaired)
    fall_silent(protected, minutes=1)
    reconcile.check_suspects(clock=timezone.now)
    assert world.primaries(protected.agent_id) == [protected.standby.instance_id]


def test_a_machine_that_is_heard_is_not_asked_about(world, protected, monkeypatch):
    monkeypatch.setattr(compute, "describe", lambda *a, **k: pytest.fail("nobody was silent"))
    Instance.objects.update(suspect_after=timezone.now() + timedelta(seconds=30))
    reconcile.check_suspects(clock=timezone.now)


@pytest.mark.parametrize("gone", [True, False])
def test_an_unverified_machine_is_never_failed_over_for_its_silence(world, protected, gone):
    Instance.objects.filter(instance_id=protected.instance_id).update(verified=False)
    if gone:
        world.kill(protected.instance_id)
    fall_silent(protected, hours=1)
    reconcile.check_suspects(clock=timezone.now)
    assert deaths() == 0


def test_the_spot_requests_status_is_a_third_ear(world, protected):
    world.sim.interrupt(protected.instance_id, "notice")
    reconcile.run(clock=timezone.now)
    event = InterruptionEvent.objects.get(kind="notice")
    assert event.channel == "state"
    assert world.primaries(protected.agent_id) == [protected.standby.instance_id]


def test_a_notice_heard_before_is_only_counted(world, protected):
    world.sim.interrupt(protected.instance_id, "notice")
    protected.notice()
    reconcile.run(clock=later(seconds=1))
    assert InterruptionEvent.objects.filter(kind="notice").count() == 1
