"""Login and error pages, which have to work with nobody logged in and with next to no context."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.template.loader import get_template, render_to_string
from django.test import override_settings

from spotopt.dashboard.tests.test_overview import main, text
from spotopt.tests import cast

TEMPLATES = Path(settings.BASE_DIR) / "templates"
OURS = sorted(TEMPLATES.rglob("*.html"))


def test_a_missing_page(client, db):
    response = client.get("/nowhere")
    assert response.status_code == 404
    assert "There is no such page" in main(response)


@pytest.mark.parametrize("name", ["403", "404", "429", "500"])
def test_renders_with_no_context_at_all(name):
    page = render_to_string(f"{name}.html")
    assert f'<p class="muted">{name}</p>' in page
    assert "Log out" not in page


@override_settings(DEBUG=False)
def test_a_bug_gives_a_page_and_no_detail(alice, visit, client_acme, monkeypatch):
    def fail(*arguments, **named):
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("spotopt.dashboard.reads.fleet.read", fail)
    browser = visit(alice)
    browser.raise_request_exception = False
    response = browser.get(f"/c/{client_acme.pk}/")
    assert response.status_code == 500
    assert "Something went wrong on our side" in text(response)
    assert "a secret detail" not in text(response)


class TestLogin:
    """The login page."""

    def test_leads_on_to_where_one_wanted_to_go(self, client, alice, client_acme):
        wanted = f"/c/{client_acme.pk}/"
        page = client.get("/login", {"next": wanted})
        assert f'name="next" value="{wanted}"' in text(page)
        response = client.post(
            "/login", {"username": "alice", "password": cast.PASSWORD, "next": wanted}
        )
        assert response["Location"] == wanted

    def test_says_what_was_wrong_and_keeps_the_name(self, client, alice):
        response = client.post("/login", {"username": "alice", "password": "wrong"})
        assert 'role="alert"' in main(response)
        assert 'value="alice"' in main(response)
        assert "wrong" not in main(response)

    def test_does_not_fill_in_the_word_none(self, client, db):
        assert 'value="None"' not in main(client.get("/login"))

    def test_logging_out_is_a_form(self, alice, visit, client_acme):
        browser = visit(alice)
        assert 'method="post" action="/logout"' in text(browser.get(f"/c/{client_acme.pk}/"))
        browser.post("/logout")
        assert browser.get(f"/c/{client_acme.pk}/").status_code == 302


class Collector(HTMLParser):
    """Attributes and elements that a strict content security policy would block."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        """Look at one element."""
        names = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(tag)
        self.found += [name for name in names if name == "style" or re.match("on|hx-on", name)]


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(TEMPLATES)))
class TestEveryTemplate:
    """Rules that hold for each of them."""

    def test_compiles(self, path):
        get_template(str(path.relative_to(TEMPLATES)))

    def test_has_nothing_inline(self, path):
        collector = Collector()
        collector.feed(re.sub(r"{[%#].*?[%#]}", "", path.read_text()))
        assert collector.found == []

    def test_names_no_other_host(self, path):
        assert not re.search(r"(?:src|href|action|hx-get)=\"(?:https?:)?//", path.read_text())

    def test_static_files_exist(self, path):
        for name in re.findall(r"{% static '([^']+)' %}", path.read_text()):
            assert finders.find(name), name
