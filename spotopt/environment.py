"""Reads settings from the environment, strictly: what cannot be understood stops the start, and says why."""

from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()

YES = frozenset({"true", "1", "yes", "on"})
NO = frozenset({"false", "0", "no", "off"})


def text(name: str, default: str = "") -> str:
    """A string; blank counts as absent."""
    return str(env.str(name, default="")).strip() or default


def switch(name: str, *, default: bool) -> bool:
    """true or false (also 1/0, yes/no, on/off). A typo must not switch a safeguard off."""
    given = text(name).lower()
    if not given:
        return default
    if given in YES:
        return True
    if given in NO:
        return False
    raise ImproperlyConfigured(f"{name}={given!r} is neither true nor false.")


def whole(name: str, *, default: int, least: int = 1) -> int:
    """A whole number, not below `least`."""
    given = text(name, str(default))
    try:
        number = int(given)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={given!r} is not a whole number.") from None
    if number < least:
        raise ImproperlyConfigured(f"{name}={number} is below {least}.")
    return number


def words(name: str, default: list[str]) -> list[str]:
    """Comma-separated; blanks around and between are dropped."""
    found = [word.strip() for word in text(name).split(",")]
    return [word for word in found if word] or default


def address(name: str, *schemes: str) -> str:
    """A URL with a host, of one of these schemes, without its trailing slash; empty if absent."""
    given = text(name)
    if not given:
        return ""
    parts = urlsplit(given)
    # PostgreSQL's may name a socket's folder instead: postgresql://user@/name?host=/folder
    if parts.scheme not in schemes or not (parts.hostname or "host=" in parts.query):
        # The value is not repeated: it may hold a password.
        raise ImproperlyConfigured(
            f"{name} is not a URL that begins with {' or '.join(schemes)}://."
        )
    return given.rstrip("/")


def required(name: str, why: str) -> str:
    """A string that must be there."""
    given = text(name)
    if not given:
        raise ImproperlyConfigured(f"{name} is not set: {why}")
    return given
