"""The overview: who sees it, what it says, what it costs."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from agents.models import Agent, Mode
from pricing.models import Pool
from replicas.models import InterruptionEvent, Replica
from spotopt.dashboard.tests import scene
from spotopt.tests import cast

SECTIONS = ["safety", "agents", "interruptions", "switches", "feed"]
HTMX = {"HX-Request": "true"}


def text(response) -> str:
    """The page's text with its whitespace folded."""
    return " ".join(response.content.decode().split())


def main(response) -> str:
    """What stands between <main> and </main>."""
    return text(response).partition("<main")[2].partition("</main>")[0]


@pytest.fixture
def address(client_acme):
    return f"/c/{client_acme.pk}/"


def test_nobody_gets_the_login_page(client, address):
    response = client.get(address)
    assert response.status_code == 302
    assert response["Location"] == f"/login?next={address}"


@pytest.mark.parametrize("who", ["alice", "olga", "bob", "staff"])
def test_members_and_staff_see_it(who, request, visit, address, acme_day):
    response = visit(request.getfixturevalue(who)).get(address)
    assert response.status_code == 200
    assert "checkout-api" in text(response)


def test_somebody_else_gets_what_a_missing_client_gets(charlie, visit, address, acme_day):
    browser = visit(charlie)
    foreign = browser.get(address)
    missing = browser.get("/c/00000000-0000-0000-0000-000000000000/")
    assert foreign.status_code == missing.status_code == 404
    assert main(foreign) == main(missing)
    assert "Acme" not in text(foreign)


def test_one_client_does_not_leak_into_another(client_other, charlie, visit, acme_day):
    scene.tell(client_other, timezone.now(), "Other's own event")
    page = text(visit(charlie).get(f"/c/{client_other.pk}/"))
    assert "Other&#x27;s own event" in page
    assert "checkout-api" not in page
    assert "No machines are under management yet." in page


def test_says_where_each_agent_runs_and_what_it_costs(alice, visit, address, acme_day):
    page = text(visit(alice).get(address))
    assert "t3.medium (us-east-1a)" in page
    assert "t3.medium (us-east-1b)" in page  # the standby, by this account's own zone name
    assert "$0.0125" in page
    assert "$0.0416" in page


def test_saving_counts_the_standby(alice, visit, address, acme_day):
    overview = visit(alice).get(address).context["overview"]
    (covered,) = [slot for slot in overview.slots if slot.agent == acme_day.covered]
    assert covered.saving.cost == Decimal("0.0264")
    assert covered.saving.amount == Decimal("0.0152")
    # 0.0416 less 0.0264, 0.085 less 0.0358, and an on-demand machine saves nothing
    assert overview.saving.amount == Decimal("0.0644")
    assert overview.priced == 3


def test_an_unknown_price_is_said_and_left_out(alice, visit, address, acme_day):
    Pool.objects.filter(pk="c5.large.use1-az2").update(spot_price=None, spot_price_at=None)
    response = visit(alice).get(address)
    overview = response.context["overview"]
    assert overview.saving.amount == Decimal("0.0152")
    assert "2 of 3 agents, the rest unknown" in text(response)


def test_a_stale_price_is_unknown(alice, visit, address, acme_day):
    Pool.objects.update(spot_price_at=timezone.now() - timedelta(hours=37))
    overview = visit(alice).get(address).context["overview"]
    assert overview.priced == 1  # the one on demand


def test_with_no_price_at_all_the_saving_is_unknown(alice, visit, client_acme, address):
    agent = cast.make_agent(client_acme)
    cast.make_instance(agent, "i-0unpriced", mode=Mode.ON_DEMAND)
    page = text(visit(alice).get(address))
    assert "no current price is known yet" in page
    assert "$0.0000" not in page


def test_a_retired_machine_that_still_runs_is_shown_and_counted(alice, visit, address, acme_day):
    pool = Pool.objects.get(pk="t3.medium.use1-az1")
    old = scene.machine(acme_day.covered, pool, "a", timezone.now(), role="superseded")
    response = visit(alice).get(address)
    assert f'still running: <span class="id">{old.instance_id}</span>, $0.0125' in text(response)
    overview = response.context["overview"]
    (slot,) = [slot for slot in overview.slots if slot.agent == acme_day.covered]
    assert slot.saving.cost == Decimal("0.0389")


def test_a_standby_on_its_way_does_not_count_as_ready(alice, visit, address, acme_day):
    Replica.objects.filter(pk=acme_day.standby.pk).update(status=Replica.Status.SYNCING)
    overview = visit(alice).get(address).context["overview"]
    assert overview.covered == 0
    (slot,) = [slot for slot in overview.slots if slot.agent == acme_day.covered]
    assert slot.standby is not None


def test_a_silent_agent_makes_it_unsafe_and_comes_first(alice, visit, address, acme_day):
    Agent.objects.filter(pk=acme_day.moved.pk).update(status=Agent.Status.OFFLINE)
    response = visit(alice).get(address)
    assert "No: 1 of 3 agents is silent (orders-worker)." in text(response)
    assert response.context["overview"].slots[0].agent == acme_day.moved


def test_terminated_agents_are_gone_from_it(alice, visit, address, acme_day):
    Agent.objects.filter(pk=acme_day.moved.pk).update(status=Agent.Status.TERMINATED)
    overview = visit(alice).get(address).context["overview"]
    assert acme_day.moved not in [slot.agent for slot in overview.slots]


def test_counts_the_interruptions_of_a_day(alice, visit, address, acme_day):
    old = InterruptionEvent.objects.get(kind="notice")
    scene.interruption(old.instance, timezone.now() - timedelta(hours=25), done_at=timezone.now())
    tally = visit(alice).get(address).context["overview"].tally
    assert (tally.interruptions, tally.handled, tally.recommendations) == (1, 1, 1)
    assert (tally.open, tally.unanswered) == (0, 0)


def test_an_interruption_with_no_answer_yet_is_being_handled(alice, visit, address, acme_day):
    primary = acme_day.bought.instances.get()
    scene.interruption(primary, timezone.now())
    page = text(visit(alice).get(address))
    assert "Almost: 1 interruption being handled right now." in page
    assert '<span class="pill pill-info">handling</span>' in page


def test_a_failed_answer_is_a_danger(alice, visit, address, acme_day):
    primary = acme_day.bought.instances.get()
    now = timezone.now()
    scene.interruption(primary, now, acted_at=now, action_taken=InterruptionEvent.Action.FAILED)
    overview = visit(alice).get(address).context["overview"]
    assert overview.verdict.level == "danger"
    assert overview.tally.unanswered == 1


def test_a_notice_for_a_machine_that_served_no_longer_is_no_danger(alice, visit, address, acme_day):
    old = acme_day.moved.instances.get(role="superseded")
    now = timezone.now()
    scene.interruption(old, now, acted_at=now, action_taken=InterruptionEvent.Action.RECORDED)
    assert visit(alice).get(address).context["overview"].tally.unanswered == 0


def test_shows_timings_and_outcome_of_an_interruption(alice, visit, address, acme_day):
    page = text(visit(alice).get(address))
    assert (
        "<li>received<b>+0.40 s</b></li><li>acted<b>+2.5 s</b></li><li>done<b>+39.8 s</b></li>"
        in page
    )
    assert "Moved in <strong>42.3 s</strong>, 1 min 17 s before" in page


def test_shows_how_long_a_move_took_and_its_downtime(alice, visit, address, acme_day):
    page = text(visit(alice).get(address))
    assert '<td class="right nowrap" data-label="Took">42.7 s</td>' in page
    assert '<td class="right nowrap" data-label="Downtime">0.80 s</td>' in page


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_is_a_part_of_the_page(section, alice, visit, address, acme_day):
    browser = visit(alice)
    fragment = browser.get(f"{address}?section={section}", headers=HTMX)
    assert fragment.status_code == 200
    assert "<html" not in text(fragment)
    assert f'id="{section}"' in text(fragment)
    assert f"section={section}" in text(browser.get(address))


def test_the_address_of_a_section_opened_by_hand_is_the_page(alice, visit, address, acme_day):
    assert "<html" in text(visit(alice).get(f"{address}?section=feed"))


def test_there_is_no_other_section(alice, visit, address):
    assert visit(alice).get(f"{address}?section=../../base", headers=HTMX).status_code == 404


def test_a_section_that_has_lost_its_login_sends_the_whole_page_there(client, address):
    response = client.get(f"{address}?section=feed", headers=HTMX)
    assert response["HX-Redirect"] == "/login"


def test_pages_are_kept_by_no_cache(alice, visit, address):
    assert "no-store" in visit(alice).get(address)["Cache-Control"]


def test_names_from_outside_are_escaped(alice, visit, client_acme, address):
    cast.make_agent(client_acme, logical_agent_id="<script>alert(1)</script>")
    scene.tell(client_acme, timezone.now(), "<img src=x onerror=alert(1)>")
    page = text(visit(alice).get(address))
    assert "<script>alert" not in page
    assert "<img src=x" not in page
