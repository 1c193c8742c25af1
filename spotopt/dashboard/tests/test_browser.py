"""The pages in a real Chromium, served by the real web process."""

from urllib.parse import urlsplit

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connections, transaction
from django.utils import timezone

from clients import feed
from spotopt.dashboard.tests import scene, site
from spotopt.tests import cast

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(site.CHROMIUM is None, reason="there is no chromium on this machine"),
    pytest.mark.django_db(transaction=True),
]
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 375, "height": 800}
# Texts whose contrast, as WCAG reckons it, is below 4.5; the arrows between timings are decoration.
WEAK_TEXTS = """() => {
  const parts = (text) => text.match(/[0-9.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => {
      v /= 255;
      return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = parts(getComputedStyle(e).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const weak = new Set();
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    const [a, b] = [luminance(parts(getComputedStyle(element).color)), luminance(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) weak.add(`${element.textContent.trim().slice(0, 40)} ${ratio.toFixed(2)}`);
  }
  return [...weak];
}"""


@pytest.fixture
def alice(alice):
    """With a password as the server keeps it: the tests' own hasher is unknown there."""
    alice.password = Argon2PasswordHasher().encode(cast.PASSWORD, "salt of a test")
    alice.save()
    return alice


@pytest.fixture
def chromium(monkeypatch):
    """A browser. Playwright keeps an event loop in this thread, which Django would take for async code."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=site.CHROMIUM, args=site.ARGUMENTS)
        yield browser
        browser.close()
        connections.close_all()  # while its loop runs this thread has connections of their own


@pytest.fixture
def server(transactional_db, tmp_path):
    """The address of a running web process."""
    with site.daphne(site.free_port(), tmp_path) as address:
        yield address


class Watch:
    """Collects what a page should never do: complain, or talk to others."""

    def __init__(self, page, address: str) -> None:
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self.home = urlsplit(address).netloc
        page.on("console", self.heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        page.on("websocket", lambda socket: self.hosts.add(urlsplit(socket.url).netloc))

    def heard(self, message) -> None:
        """Errors and warnings count."""
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def check(self) -> None:
        """Silence, and no other host."""
        assert self.complaints == []
        assert self.hosts == {self.home}


def log_in(page, server: str, name: str) -> None:
    """Through the login page, as people do."""
    page.goto(f"{server}/")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(cast.PASSWORD)
    page.get_by_role("button", name="Log in").click()


def record(client, message: str) -> None:
    """What another process does: a row, and a hint through the database."""
    feed.record(
        client_id=client.pk,
        event_type="test",
        message=message,
        severity="warning",
        now=timezone.now(),
    )


def test_an_event_appears_without_a_reload(chromium, server, alice, client_acme, client_other):
    scene.fill(client_acme, timezone.now())
    page = chromium.new_page(viewport=WIDE)
    watch = Watch(page, server)
    log_in(page, server, "alice")
    expect(page.get_by_role("heading", name="Acme", level=1)).to_be_visible()
    expect(page.locator("#live-state")).to_have_text("Live")
    page.evaluate("window.loadedOnce = true")

    record(client_other, "not for Alice")
    record(client_acme, "somebody did something")

    expect(page.locator("#feed")).to_contain_text("somebody did something")
    expect(page.locator("#feed")).not_to_contain_text("not for Alice")
    assert page.evaluate("window.loadedOnce") is True
    watch.check()


def test_every_section_changes_by_itself(chromium, server, alice, client_acme):
    day = scene.fill(client_acme, timezone.now())
    page = chromium.new_page(viewport=WIDE)
    log_in(page, server, "alice")
    expect(page.locator("#live-state")).to_have_text("Live")

    type(day.moved).objects.filter(pk=day.moved.pk).update(status="offline")
    feed.publish(client_id=client_acme.pk, kind="agent", agent_id=day.moved.pk)
    expect(page.locator("#agents tbody tr").first).to_contain_text("offline")
    expect(page.locator("#safety h2")).to_have_text("No: 1 of 3 agents is silent (orders-worker).")

    scene.interruption(day.bought.instances.get(), timezone.now())
    feed.publish(client_id=client_acme.pk, kind="interruption")
    expect(page.locator("#interruptions .entries > li")).to_have_count(3)


def test_a_hint_of_an_unknown_kind_refreshes_all(chromium, server, alice, client_acme):
    page = chromium.new_page(viewport=WIDE)
    log_in(page, server, "alice")
    expect(page.locator("#live-state")).to_have_text("Live")
    scene.tell(client_acme, timezone.now(), "told without a hint")
    feed.publish(client_id=client_acme.pk, kind="something-new")
    expect(page.locator("#feed")).to_contain_text("told without a hint")


def test_a_lost_connection_is_said_and_made_up_for(
    chromium, transactional_db, tmp_path, alice, client_acme
):
    port = site.free_port()
    page = chromium.new_page(viewport=WIDE)
    with site.daphne(port, tmp_path) as server:
        log_in(page, server, "alice")
        expect(page.locator("#live-state")).to_have_text("Live")
    expect(page.locator("#live-state")).to_contain_text("Connection lost")
    record(client_acme, "while nobody listened")
    with site.daphne(port, tmp_path):
        expect(page.locator("#live-state")).to_have_text("Live", timeout=30_000)
        expect(page.locator("#feed")).to_contain_text("while nobody listened")


def test_an_ended_session_leads_to_the_login_page(chromium, server, alice, client_acme):
    page = chromium.new_page(viewport=WIDE)
    log_in(page, server, "alice")
    expect(page.locator("#live-state")).to_have_text("Live")
    page.context.clear_cookies()
    record(client_acme, "anything")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_who_is_taken_out_of_a_client_sees_it_no_longer(chromium, server, alice, client_acme):
    scene.fill(client_acme, timezone.now())
    page = chromium.new_page(viewport=WIDE)
    log_in(page, server, "alice")
    expect(page.locator("#live-state")).to_have_text("Live")
    alice.memberships.all().delete()
    feed.publish(client_id=client_acme.pk, kind="access")
    expect(page.locator("body")).not_to_contain_text("checkout-api")


def test_a_burst_of_hints_is_one_request_for_each_section(chromium, server, alice, client_acme):
    page = chromium.new_page(viewport=WIDE)
    log_in(page, server, "alice")
    expect(page.locator("#live-state")).to_have_text("Live")
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.partition("section=")[2]))
    with transaction.atomic():  # they leave together
        for kind in ("agent", "replica", "switch", "interruption", "activity") * 4:
            feed.publish(client_id=client_acme.pk, kind=kind)
        record(client_acme, "the last of them")
    expect(page.locator("#feed")).to_contain_text("the last of them")
    page.wait_for_load_state("networkidle")
    assert sorted(asked) == sorted({*asked})


def test_a_wrong_password_is_said(chromium, server, alice):
    page = chromium.new_page(viewport=PHONE)
    page.goto(f"{server}/login")
    page.get_by_label("User name").fill("alice")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("correct username and password")
    expect(page.get_by_label("User name")).to_have_value("alice")


def test_pages_fit_the_screen(chromium, server, alice, client_acme):
    day = scene.fill(client_acme, timezone.now())
    home = f"{server}/c/{client_acme.pk}"
    slot = f"{home}/agents/{day.covered.pk}"
    pages = {
        f"{home}/": "Acme",
        f"{slot}/": "checkout-api",
        f"{slot}/standby/{day.standby.pk}/promote": "Promote the standby of checkout-api?",
        f"{server}/clients": "Clients",
        f"{server}/login": "Log in",
    }
    for viewport in (WIDE, PHONE):
        page = chromium.new_page(viewport=viewport)
        watch = Watch(page, server)
        log_in(page, server, "alice")
        expect(page.get_by_role("heading", level=1)).to_have_text("Acme")
        for address, title in pages.items():
            page.goto(address)
            expect(page.get_by_role("heading", level=1)).to_have_text(title)
            widths = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
            assert widths[0] <= widths[1], address
        watch.check()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(chromium, server, alice, client_acme, scheme):
    """Every text stands out from its ground by 4.5 to 1 at least."""
    day = scene.fill(client_acme, timezone.now())
    type(day.moved).objects.filter(pk=day.moved.pk).update(status="offline")
    page = chromium.new_page(viewport=WIDE, color_scheme=scheme)
    log_in(page, server, "alice")
    expect(page.get_by_role("heading", level=1)).to_have_text("Acme")
    for address in (page.url, f"{page.url}agents/{day.moved.pk}/"):
        page.goto(address)
        assert page.evaluate(WEAK_TEXTS) == []
