"""A forgotten password: a link by mail, good for an hour; where no mail is set up, staff helps."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import views
from django.contrib.auth.forms import PasswordResetForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from clients.auth import address_of
from spotopt.lib.failures import FailureCounter

asked = FailureCounter(limit=10, window_seconds=60)


class Ask(views.PasswordResetView):
    """Asks for the address; the answer is the same whether anybody has it."""

    template_name = "clients/password_reset.html"
    email_template_name = "clients/password_reset_mail.txt"
    subject_template_name = "clients/password_reset_subject.txt"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Says whether there is mail at all."""
        return super().get_context_data(has_mail=bool(settings.EMAIL_URL), **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """429 after ten within a minute from one address."""
        if wait := asked.count(address_of(request)):
            context = self.get_context_data(
                form=self.get_form_class()(), throttled=f"Try again in {wait} seconds."
            )
            response = self.render_to_response(context, status=429)
            response["Retry-After"] = str(wait)
            return response
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: PasswordResetForm) -> HttpResponse:
        """Mails a link to PUBLIC_URL; a Host header may be anybody's."""
        if settings.EMAIL_URL:
            public = urlsplit(settings.PUBLIC_URL)
            form.save(
                domain_override=public.netloc or None,
                use_https=public.scheme == "https" or self.request.is_secure(),
                email_template_name=self.email_template_name,
                subject_template_name=self.subject_template_name,
                request=self.request,
            )
        return redirect("password_reset_done")


class Asked(views.PasswordResetDoneView):
    """The link is on its way."""

    template_name = "clients/password_reset_done.html"


class Choose(views.PasswordResetConfirmView):
    """The link: a new password, which ends all sessions."""

    template_name = "clients/password_reset_confirm.html"


class Chosen(views.PasswordResetCompleteView):
    """Done."""

    template_name = "clients/password_reset_complete.html"
