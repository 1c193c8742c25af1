"""Every address of the server."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path
from django.views import defaults
from django.views.generic import RedirectView

from clients import password_reset
from clients.views import Invited, Login, Logout
from spotopt.health import health
from spotopt.lib import api_errors

urlpatterns: list[URLPattern | URLResolver] = [
    path("health", health, name="health"),
    path("login", Login.as_view(), name="login"),
    path("logout", Logout.as_view(), name="logout"),
    path("invitation/<str:secret>", Invited.as_view(), name="invitation"),
    path("password-reset", password_reset.Ask.as_view(), name="password_reset"),
    path("password-reset/asked", password_reset.Asked.as_view(), name="password_reset_done"),
    path(
        "password-reset/<uidb64>/<token>",
        password_reset.Choose.as_view(),
        name="password_reset_confirm",
    ),
    path("password-reset/done", password_reset.Chosen.as_view(), name="password_reset_complete"),
    # The admin has a login page of its own, which counts no failures.
    path("admin/login/", RedirectView.as_view(pattern_name="login", query_string=True)),
    path("admin/", admin.site.urls),
    path("api", api_errors.not_found),
    path("api/", include("spotopt.api")),
    path("", include("spotopt.dashboard.urls")),
]


def handler500(request: HttpRequest) -> HttpResponse:
    """A bug: in the API's shape under /api, a page elsewhere."""
    if request.path.startswith("/api/"):
        return api_errors.failed(request)
    return defaults.server_error(request)
