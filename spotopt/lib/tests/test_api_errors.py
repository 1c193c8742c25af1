"""Every refusal in one shape, and nothing in it that is nobody's business."""

import json

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError, connection
from django.http import Http404
from django.test import RequestFactory
from rest_framework import exceptions

from spotopt.lib import api_errors
from spotopt.lib.errors import (
    BadInput,
    Conflict,
    Forbidden,
    Impossible,
    NotFound,
    Refused,
    TooMany,
    Unauthenticated,
    Unavailable,
)


class Superseded(Conflict):
    code = "superseded"


def handled(error):
    response = api_errors.handle(error, {})
    assert response is not None
    assert response.data["status"] == "error"
    assert response.data["message"]
    assert isinstance(response.data["errors"], dict)
    return response


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadInput("m"), 400),
        (Unauthenticated("m"), 401),
        (Forbidden("m"), 403),
        (NotFound("m"), 404),
        (Conflict("m"), 409),
        (Impossible("m"), 422),
        (TooMany("m", retry_after=9), 429),
        (Unavailable("m"), 503),
        (Http404(), 404),
        (PermissionDenied(), 403),
        (RequestDataTooBig("body"), 413),
        (DataError("invalid byte sequence"), 400),
        (exceptions.NotAuthenticated(), 401),
        (exceptions.AuthenticationFailed(), 401),
        (exceptions.PermissionDenied(), 403),
        (exceptions.MethodNotAllowed("PUT"), 405),
        (exceptions.UnsupportedMediaType("text/x"), 415),
        (exceptions.ParseError(), 400),
        (exceptions.Throttled(wait=1.2), 429),
    ],
)
def test_statuses(error, status):
    assert handled(error).status_code == status


@pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
def test_a_database_out_of_reach_is_503_and_tells_no_sql(db, kind, monkeypatch):
    monkeypatch.setattr(connection, "close", lambda: None)
    response = handled(kind('connection to server at "10.0.0.1", user "secret" failed'))
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert "10.0.0.1" not in str(response.data)


def test_a_bug_is_left_to_be_one():
    assert api_errors.handle(ZeroDivisionError(), {}) is None


@pytest.mark.parametrize("error", [Unauthenticated("m"), exceptions.NotAuthenticated()])
def test_401_says_how_to_come_in(error):
    assert handled(error)["WWW-Authenticate"] == 'Bearer realm="spotopt"'


def test_retry_after():
    assert handled(TooMany("m", retry_after=9))["Retry-After"] == "9"
    assert handled(Unavailable("m"))["Retry-After"] == "5"
    assert handled(exceptions.Throttled(wait=1.2))["Retry-After"] == "2"
    assert "Retry-After" not in handled(Conflict("m"))


def test_the_code_is_there_only_where_there_is_one():
    assert handled(Superseded("m")).data["code"] == "superseded"
    assert "code" not in handled(Conflict("m")).data


def test_fields_are_named_by_dotted_path():
    error = exceptions.ValidationError(
        {"reports": [{}, {"spot_price": ["too small"]}], "pool_id": ["missing", "odd"]}
    )
    response = handled(error)
    assert response.status_code == 400
    assert response.data["errors"] == {
        "reports.1.spot_price": ["too small"],
        "pool_id": ["missing", "odd"],
    }
    assert response.data["message"] == "reports.1.spot_price: too small"


def test_one_field_of_the_domain():
    response = handled(BadInput.field("limit", "Too high."))
    assert response.data["errors"] == {"limit": ["Too high."]}


def test_a_refusal_keeps_its_own_lists():
    given = {"a": ["b"]}
    refusal = Refused("m", errors=given)
    given["a"].append("c")
    assert refusal.errors == {"a": ["b"]}


def test_plain_answers_have_the_shape_too():
    request = RequestFactory().post("/api/nothing")
    for response, status in (
        (api_errors.not_found(request), 404),
        (api_errors.failed(request), 500),
    ):
        assert response.status_code == status
        assert json.loads(response.content)["status"] == "error"
