"""The HTTP API: every app's routes under /api/, in one place."""

from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, include, path, re_path

from replicas.api import DeleteClient
from spotopt.lib import api_errors

# An app's fixed paths come before the next one's <ids>: `agents/register` is not an agent.
APPS = ("replicas", "mlengine", "pricing", "agents", "clients")

urlpatterns: list[URLPattern | URLResolver] = [
    *[path("", include(f"{app}.api")) for app in APPS if find_spec(f"{app}.api")],
    # Deleting a client ends machines, so it is the emergency path's; `create` and its like come first.
    path("admin/clients/<str:client_id>", DeleteClient.as_view()),
    re_path(r"", api_errors.not_found),
]
