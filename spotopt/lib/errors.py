"""Refusals: what the domain raises when it will not do what was asked, and what the wire makes of it.

A use case raises a subclass that lives beside it; `spotopt.lib.api_errors` turns it into the one error
shape of the API, pages into a message, tasks into a log line. None of them is a bug.
"""

from collections.abc import Mapping, Sequence


class Refused(Exception):
    """The request was understood and is refused; nothing was changed.

    `message` is one sentence a person can act on; `errors` names the fields at fault; `code` is for
    machines and empty where the status says it all; `retry_after` is in seconds.
    """

    status = 400
    code = ""

    def __init__(
        self,
        message: str,
        *,
        errors: Mapping[str, Sequence[str]] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.errors = {field: list(texts) for field, texts in (errors or {}).items()}
        self.retry_after = retry_after


class BadInput(Refused):
    """A value is wrong in itself (400); `errors` names it."""

    @classmethod
    def field(cls, name: str, text: str) -> "BadInput":
        """One field, one complaint, which is also the message."""
        return cls(f"{name}: {text}", errors={name: [text]})


class Unauthenticated(Refused):
    """A credential is missing or wrong (401)."""

    status = 401


class Forbidden(Refused):
    """The caller is known, and may not do this (403)."""

    status = 403


class NotFound(Refused):
    """There is no such object, or it is somebody else's: the same answer for both (404)."""

    status = 404


class Conflict(Refused):
    """It does not fit the present state: a lost race, a limit, a second of what there is one of (409)."""

    status = 409


class Impossible(Refused):
    """Well-formed, and still cannot be done (422)."""

    status = 422


class TooMany(Refused):
    """Asked too often (429); `retry_after` says when it may be tried again."""

    status = 429


class Unavailable(Refused):
    """AWS or the database is out of reach; asking again later may help (503)."""

    status = 503

    def __init__(self, message: str, *, retry_after: int = 5) -> None:
        super().__init__(message, retry_after=retry_after)
