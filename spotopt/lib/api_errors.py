"""One shape for every error of the API: {"status": "error", "message", "errors", "code"?}."""

import logging
import math
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError, connection
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response

from spotopt.lib.errors import Refused

log = logging.getLogger(__name__)
CHALLENGE = 'Bearer realm="spotopt"'


def body(
    message: str, errors: dict[str, list[str]] | None = None, code: str = ""
) -> dict[str, Any]:
    """The error shape as a plain dict."""
    shape: dict[str, Any] = {"status": "error", "message": message, "errors": errors or {}}
    if code:
        shape["code"] = code
    return shape


def flatten(detail: Any, prefix: str = "") -> dict[str, list[str]]:
    """DRF's nested validation details as {"dotted.path": [texts]}."""
    if isinstance(detail, dict):
        found: dict[str, list[str]] = {}
        for key, value in detail.items():
            found |= flatten(value, f"{prefix}.{key}" if prefix else str(key))
        return found
    if isinstance(detail, list):
        texts = [str(item) for item in detail if not isinstance(item, dict | list)]
        found = {prefix or "body": texts} if texts else {}
        for index, item in enumerate(detail):
            if isinstance(item, dict | list):
                found |= flatten(item, f"{prefix}.{index}" if prefix else str(index))
        return found
    return {prefix or "body": [str(detail)]}


def refusal(error: Refused) -> Response:
    """A domain refusal on the wire."""
    response = Response(body(error.message, error.errors, error.code), status=error.status)
    if error.status == 401:
        response["WWW-Authenticate"] = CHALLENGE
    if error.retry_after is not None:
        response["Retry-After"] = str(error.retry_after)
    return response


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler; None (a 500) only for what is a bug of ours."""
    if isinstance(error, Refused):
        return refusal(error)
    if isinstance(error, Http404):
        return Response(body("There is no such thing here."), status=404)
    if isinstance(error, PermissionDenied):
        return Response(body(str(error) or "You may not do this."), status=403)
    if isinstance(error, RequestDataTooBig):
        return Response(body("The body is too large."), status=413)
    if isinstance(error, DataError):
        return Response(body("A value is one that cannot be kept, such as a NUL."), status=400)
    if isinstance(error, OperationalError | InterfaceError):
        log.error("the database did not answer: %s", type(error).__name__)
        connection.close()
        response = Response(body("The database is out of reach; try again."), status=503)
        response["Retry-After"] = "2"
        return response
    if not isinstance(error, exceptions.APIException):
        return None
    if isinstance(error, exceptions.ValidationError):
        fields = flatten(error.detail)
        name, texts = next(iter(fields.items()), ("body", ["invalid"]))
        return Response(body(f"{name}: {texts[0]}", fields), status=400)
    response = Response(body(str(error.detail)), status=error.status_code)
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        response.status_code = 401
        response["WWW-Authenticate"] = CHALLENGE
    if wait := getattr(error, "wait", None):
        response["Retry-After"] = str(math.ceil(wait))
    return response


@csrf_exempt
def not_found(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    """An unknown route under /api, whatever the method."""
    return JsonResponse(body("There is no such endpoint."), status=404)


def failed(request: HttpRequest) -> JsonResponse:
    """A bug of ours, under /api: no more is said than that."""
    return JsonResponse(body("Something went wrong here; it has been logged."), status=500)
