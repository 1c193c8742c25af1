"""The HTTP API: every app's routes under /api/, in one place."""

from importlib import import_module

from django.urls import URLPattern, URLResolver, include, path, re_path

from spotopt.lib import api_errors

# An app's fixed paths come before the next one's <ids>: `agents/register` is not an agent.
APPS = ("replicas", "mlengine", "pricing", "agents", "clients")


def present(app: str) -> bool:
    """Whether an app's routes are there."""
    try:
        import_module(f"{app}.api")
    except ImportError:
        return False
    return True


urlpatterns: list[URLPattern | URLResolver] = [
    *[path("", include(f"{app}.api")) for app in APPS if present(app)],
    re_path(r"", api_errors.not_found),
]
