"""The API's routes as the resolver has them: `METHOD /api/path/<name>`."""

import re
from collections.abc import Iterator

from django.urls import URLPattern, URLResolver

from spotopt import api

METHODS = ("get", "post", "put", "patch", "delete")


def endpoints() -> set[str]:
    """Every method of every route, the catch-all left out."""
    return {
        f"{method.upper()} /api/{route}"
        for route, view in walk(api.urlpatterns)
        for method in METHODS
        if hasattr(view, method)
    }


def walk(
    patterns: list[URLPattern | URLResolver], prefix: str = ""
) -> Iterator[tuple[str, object]]:
    """(path, view class) of each route below `patterns`."""
    for entry in patterns:
        route = prefix + re.sub(r"<\w+:(\w+)>", r"<\1>", str(entry.pattern))
        if isinstance(entry, URLResolver):
            yield from walk(entry.url_patterns, route)
        elif view := getattr(entry.callback, "view_class", getattr(entry.callback, "cls", None)):
            yield route, view
