"""Lists: `limit`, `offset`, `total`; histories also as CSV."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from spotopt.lib.errors import BadInput

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_OFFSET = 10_000_000
CSV_ROWS = 50_000  # what an export without `limit` gives at most
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Window:
    """Which part of a list is asked for."""

    limit: int
    offset: int

    @property
    def slice(self) -> "slice[int, int, None]":
        """For a queryset or a sequence."""
        return slice(self.offset, self.offset + self.limit)


def whole(request: Request, name: str, default: int, *, least: int, most: int) -> int:
    """A whole number from the query string; `BadInput` names what is wrong with it."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
        raise BadInput.field(name, f"Give a whole number from {least} to {most}.")
    return int(text)


def window(request: Request, *, default: int = DEFAULT_LIMIT) -> Window:
    """`limit` (1 to 1000) and `offset` of a request."""
    return Window(
        limit=whole(request, "limit", default, least=1, most=MAX_LIMIT),
        offset=whole(request, "offset", 0, least=0, most=MAX_OFFSET),
    )


def wants_csv(request: Request) -> bool:
    """Whether `?format=csv` was asked for; another format than json or csv is `BadInput`."""
    form = request.query_params.get("format", "json")
    if form not in ("json", "csv"):
        raise BadInput.field("format", "Give json or csv.")
    return form == "csv"


def listing(
    request: Request,
    rows: "QuerySet[Any] | Sequence[Any]",
    *,
    key: str,
    show: Callable[[Any], Mapping[str, Any]],
    default: int = DEFAULT_LIMIT,
) -> Response:
    """`{key: [...], "total": n}` for the part that was asked for; two queries for a queryset."""
    part = window(request, default=default)
    total = rows.count() if isinstance(rows, QuerySet) else len(rows)
    return Response({key: [show(row) for row in rows[part.slice]], "total": total})


def history(
    request: Request,
    rows: "QuerySet[Any] | Sequence[Any]",
    *,
    key: str,
    show: Callable[[Any], Mapping[str, Any]],
    columns: Sequence[str],
    default: int = DEFAULT_LIMIT,
) -> HttpResponseBase:
    """As `listing`, or with `?format=csv` a file of `columns`; without `limit`, of everything."""
    if not wants_csv(request):
        return listing(request, rows, key=key, show=show, default=default)
    asked = window(request)
    part = Window(CSV_ROWS, asked.offset) if "limit" not in request.query_params else asked
    return csv_file(key, columns, (show(row) for row in rows[part.slice]))


def csv_file(name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> HttpResponse:
    """A CSV attachment with a header line; unknown values are empty."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(column)) for column in columns])
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would run as a formula is defused with a leading apostrophe."""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else value
