"""Mail to people, where EMAIL_URL says how; never in the way of what it tells about."""

import logging

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction

log = logging.getLogger(__name__)


def send(*, to: str, subject: str, text: str) -> None:
    """Send after the current transaction has been committed; a failure is logged, without the text."""
    if settings.EMAIL_URL:
        transaction.on_commit(lambda: _send(to, subject, text))


def _send(to: str, subject: str, text: str) -> None:
    try:
        send_mail(" ".join(subject.split()), text, None, [to])
    except Exception as error:  # noqa: BLE001 - whatever the mail server does, the change stands
        log.warning("mail was not sent: %s", type(error).__name__)
