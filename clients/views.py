"""Logging in and out. Failures are counted per name and address, and per address."""

from typing import Any

from django.contrib.auth import views
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse

from clients.auth import address_of
from spotopt.lib.failures import FailureCounter

by_name = FailureCounter(limit=10, window_seconds=60)
by_address = FailureCounter(limit=100, window_seconds=60)


class Login(views.LoginView):
    """The login page; also the admin's."""

    template_name = "login.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Check a password, unless too many were wrong just now: then 429 without looking at it."""
        name, address = self._keys(request)
        if wait := max(by_name.wait(name), by_address.wait(address)):
            return self._refuse(wait)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Right: in, and the name starts anew."""
        by_name.forget(self._keys(self.request)[0])
        return super().form_valid(form)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """Wrong: the page again, with why."""
        name, address = self._keys(self.request)
        by_name.count(name)
        by_address.count(address)
        return super().form_invalid(form)

    def _refuse(self, wait: int) -> HttpResponse:
        form = self.get_form_class()(self.request)  # unbound: the password is not looked at
        message = f"Too many failed logins. Try again in {wait} seconds."
        response = self.render_to_response(
            self.get_context_data(form=form, throttled=message), status=429
        )
        response["Retry-After"] = str(wait)
        return response

    @staticmethod
    def _keys(request: HttpRequest) -> tuple[str, str]:
        address = address_of(request)
        return f"{address} {request.POST.get('username', '')[:150].casefold()}", address


class Logout(views.LogoutView):
    """POST ends the session and leads to the login page."""
