"""Logging in, out, and coming in by invitation.

Failed logins are counted per name and address, and per address.
"""

from typing import Any

from django.contrib.auth import login, views
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from clients import invitations
from clients.auth import address_of
from spotopt.lib.errors import BadInput
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


@method_decorator([never_cache, sensitive_post_parameters("password")], name="dispatch")
class Invited(View):
    """An invitation's link: a new person picks a name and a password, a logged-in one just joins."""

    def get(self, request: HttpRequest, secret: str) -> HttpResponse:
        """What one is invited to; 404 for a link that is no good (any more)."""
        return self._page(request, secret)

    def post(self, request: HttpRequest, secret: str) -> HttpResponse:
        """Come in; the page again, with what is wrong, if that fails."""
        now = timezone.now()
        try:
            if isinstance(request.user, User):
                invitations.join(secret=secret, user=request.user, now=now)
            else:
                name, password = (request.POST.get(key, "") for key in ("username", "password"))
                user = invitations.sign_up(secret=secret, username=name, password=password, now=now)
                login(request, user)
        except BadInput as refusal:
            return self._page(request, secret, errors=refusal.errors)
        except invitations.NoSuchInvitation:
            return self._page(request, secret)
        return redirect("/")

    def _page(
        self, request: HttpRequest, secret: str, errors: dict[str, list[str]] | None = None
    ) -> HttpResponse:
        context: dict[str, Any] = {"errors": errors or {}, "name": request.POST.get("username", "")}
        try:
            context["invitation"] = invitations.find(secret, timezone.now())
        except invitations.NoSuchInvitation as refusal:
            context["refusal"] = refusal.message
        status = 404 if "refusal" in context else 400 if errors else 200
        return render(request, "clients/invitation.html", context, status=status)
