"""The edges of the address space: unknown routes, wrong methods, /health, the admin's login."""

import importlib
from urllib.parse import unquote

import pytest
from django.db import OperationalError, connection
from django.test import Client as Browser
from django.urls import clear_url_caches, resolve

from spotopt import api, urls
from spotopt.tests import cast, routes

METHODS = ("get", "post", "put", "patch", "delete")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "url", ["/api", "/api/", "/api/nothing", "/api/admin/clients/", "/api/a/b/c/d"]
)
def test_an_unknown_route_under_api(method, url, db):
    response = getattr(Browser(enforce_csrf_checks=True), method)(url)
    assert response.status_code == 404
    assert response.json() == {
        "status": "error",
        "message": "There is no such endpoint.",
        "errors": {},
    }


def test_a_wrong_method_under_api(staff_api):
    response = staff_api.put("/api/admin/clients")
    assert response.status_code == 405
    assert response["Allow"].startswith("GET")
    assert response.json()["status"] == "error"


def test_no_route_hides_another():
    """Each route, asked with unlikely ids, comes out at its own view."""
    for route, view in routes.walk(api.urlpatterns):
        path = "/api/" + route.replace("<", "id-of-").replace(">", "")
        match = resolve(path)
        assert getattr(match.func, "view_class", getattr(match.func, "cls", None)) is view, route


def test_no_route_ends_in_a_slash():
    assert not [route for route, _ in routes.walk(api.urlpatterns) if route.endswith("/")]


def test_a_bug_is_told_without_its_details(staff_api, monkeypatch, settings):
    settings.DEBUG = False
    monkeypatch.setattr("clients.queries.overview", lambda: 1 / 0)
    staff_api.raise_request_exception = False
    response = staff_api.get("/api/admin/clients")
    assert response.status_code == 500
    assert response.json()["status"] == "error"
    assert "ZeroDivision" not in response.content.decode()


def test_health(client, db, django_assert_num_queries):
    with django_assert_num_queries(1):
        response = client.get("/health")
    assert response.status_code == 200
    answer = response.json()
    assert answer["status"] == "healthy"
    assert answer["timestamp"].endswith("Z")
    assert "no-store" in response["Cache-Control"]


def test_health_without_a_database(client, monkeypatch):
    def gone():
        raise OperationalError("password authentication failed for user spotopt")

    monkeypatch.setattr(connection, "cursor", gone)
    monkeypatch.setattr(connection, "close", lambda: None)
    response = client.get("/health")
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert response.json()["status"] == "error"
    assert "password" not in response.content.decode()


def test_health_is_only_asked(client):
    response = client.post("/health")
    assert response.status_code == 405
    assert response.json()["status"] == "error"


def test_health_stays_on_http_where_all_else_is_redirected(client, db, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/health").status_code == 200
    assert client.get("/login").status_code == 301


def test_the_admin_has_no_login_page_of_its_own(client, db):
    response = client.get("/admin/")
    response = client.get(response["Location"])
    assert unquote(response["Location"]) == "/login?next=/admin/"


def test_the_admin_lets_staff_in(client, staff):
    client.force_login(staff)
    assert client.get("/admin/").status_code == 200


def test_the_admin_lets_no_owner_in(client, alice):
    client.force_login(alice)
    assert client.get("/admin/").status_code == 302


def test_the_routes_load_afresh():
    importlib.reload(urls)
    clear_url_caches()
    assert cast.PASSWORD  # the plugin is there for every app's tests
