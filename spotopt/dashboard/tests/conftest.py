"""What the pages' tests share. Models are imported late: pytest reads this before Django is set up."""

import pytest


@pytest.fixture
def acme_day(client_acme):
    """Acme's fleet, filled in: a `scene.Scene`."""
    from django.utils import timezone

    from spotopt.dashboard.tests import scene

    return scene.fill(client_acme, timezone.now())


@pytest.fixture
def visit():
    """`visit(user)` is a browser in which that person is logged in."""
    from django.test import Client

    def enter(user):
        browser = Client()
        browser.force_login(user)
        return browser

    return enter
