"""Makes AWS clients before an emergency needs them: the first of a process costs a third of a second."""

import logging
import threading

from django.db import DatabaseError, connection

from agents import markets
from spotopt.cloud import session
from spotopt.cloud.errors import CloudError

log = logging.getLogger(__name__)

SERVICES = ("ec2", "elbv2")


def up() -> int:
    """For each market in use; returns how many clients were made ready. Never raises."""
    ready = 0
    try:
        for market in markets.in_use():
            for service in SERVICES:
                session.client(market.account, service, market.region)
                ready += 1
            session.account_number(market.account)
    except (CloudError, DatabaseError) as error:
        log.warning("AWS clients are made when they are needed: %s", type(error).__name__)
    finally:
        connection.close()
    return ready


def up_in_the_background() -> None:
    """So that a process's start does not wait for it."""
    threading.Thread(target=up, name="warmth", daemon=True).start()
