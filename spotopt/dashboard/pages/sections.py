"""A page made of sections: asked by htmx for one of them, the same view answers with that alone."""

from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from spotopt.dashboard.access import is_htmx
from spotopt.lib.errors import NotFound


def show(
    request: HttpRequest, *, folder: str, names: tuple[str, ...], context: Mapping[str, object]
) -> HttpResponse:
    """The page of this folder, or the one section that `?section=` names. NotFound for another name.

    `context` should hold objects that read lazily, so that a section costs only its own queries.
    """
    name = request.GET.get("section", "")
    if not is_htmx(request):
        return render(request, f"dashboard/{folder}/page.html", {**context})
    if name not in names:
        raise NotFound("This page has no such section.")
    return render(request, f"dashboard/{folder}/{name}.html", {**context})
