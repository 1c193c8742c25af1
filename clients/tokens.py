"""Credentials: how they are made, found, shown and taken back. The only writer of `Token`.

A text reads `spo_<kind letter>_<43 characters>`. The table keeps its HMAC under a key that is not in
the database, so that a copy of the table opens nothing. The client token alone can be shown again:
it is kept encrypted as well.
"""

import base64
import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Least

from clients.models import Client, Token
from spotopt.lib import keys
from spotopt.lib.errors import Conflict

SHAPE = re.compile(r"spo_[aces]_[A-Za-z0-9_-]{43}")
LETTER = {
    Token.Kind.AGENT: "a",
    Token.Kind.CLIENT: "c",
    Token.Kind.ENROLMENT: "e",
    Token.Kind.STAFF: "s",
}
SHOWN = 12  # characters of the text kept in the clear: kind and six random ones
OVERLAP = timedelta(minutes=10)  # how long an instance's earlier token outlives the next
ENROLMENT_LIFE = timedelta(minutes=30)
USE_NOTED_EVERY = timedelta(minutes=1)


class TokenLost(Conflict):
    """The client token cannot be shown: there is none, or the key that sealed it is gone."""


def issue_client(client: Client, now: datetime) -> str:
    """A new client token; the old one stops working at once."""
    text = _random(Token.Kind.CLIENT)
    Token.objects.update_or_create(
        kind=Token.Kind.CLIENT,
        client=client,
        defaults={
            "prefix": text[:SHOWN],
            "digest": _digest(text),
            "sealed": keys.seal(text, purpose="token seal"),
            "created_at": now,
            "last_used_at": None,
        },
    )
    return text


def reveal_client(client: Client) -> str:
    """The client token's text; `TokenLost` if it cannot be had. The caller leaves the audit line."""
    token = Token.objects.filter(kind=Token.Kind.CLIENT, client=client).first()
    if token is None:
        raise TokenLost("This client has no token: regenerate it.")
    try:
        return keys.unseal(token.sealed, purpose="token seal")
    except keys.SealBroken as error:
        raise TokenLost(
            "The key that this token was sealed with is no longer in TOKEN_KEYS: regenerate it."
        ) from error


def issue_agent(client: Client, agent_id: UUID, instance_id: str, now: datetime) -> str:
    """A token for the agent on one instance; that instance's earlier ones last 10 minutes more."""
    text = _random(Token.Kind.AGENT)
    with transaction.atomic():
        Token.objects.filter(kind=Token.Kind.AGENT, client=client, instance_id=instance_id).update(
            expires_at=Least("expires_at", now + OVERLAP)
        )  # LEAST passes over NULL
        Token.objects.create(
            kind=Token.Kind.AGENT,
            prefix=text[:SHOWN],
            digest=_digest(text),
            client=client,
            agent_id=agent_id,
            instance_id=instance_id,
        )
    return text


def issue_staff(user: User, now: datetime, lifetime: timedelta | None = None) -> str:
    """A bearer token that is worth this person's login, for `lifetime` (None: until revoked)."""
    text = _random(Token.Kind.STAFF)
    Token.objects.create(
        kind=Token.Kind.STAFF,
        prefix=text[:SHOWN],
        digest=_digest(text),
        user=user,
        expires_at=None if lifetime is None else now + lifetime,
    )
    return text


def issue_enrolment(
    client: Client, agent_id: UUID, replica_id: UUID, attempt: int, now: datetime
) -> str:
    """The token in a launched machine's user data, good for 30 minutes from this call.

    The same (replica, attempt) always gives the same text, also after a key was put before the one
    it was made with: EC2 takes a repeated launch for the same only if its user data is the same.
    """
    texts = [
        f"spo_e_{_base64(hmac.digest(key, f'{replica_id}/{attempt}'.encode(), hashlib.sha256))}"
        for key in keys.derived("enrolment")
    ]
    by_digest = {digest: text for text in texts for digest in _digests(text)}
    expires_at = now + ENROLMENT_LIFE
    earlier = Token.objects.filter(digest__in=by_digest).first()
    if earlier is not None:
        Token.objects.filter(pk=earlier.pk).update(expires_at=expires_at)
        return by_digest[earlier.digest]
    Token.objects.get_or_create(
        digest=_digest(texts[0]),
        defaults={
            "kind": Token.Kind.ENROLMENT,
            "prefix": texts[0][:SHOWN],
            "client": client,
            "agent_id": agent_id,
            "replica_id": replica_id,
            "expires_at": expires_at,
        },
    )
    return texts[0]


def lookup(text: str, now: datetime) -> Token | None:
    """The valid token of this text, with its client and user loaded; None for any other text."""
    if not SHAPE.fullmatch(text):
        return None
    found = _digests(text)
    token = Token.objects.select_related("client", "user").filter(digest__in=found).first()
    if token is None or (token.expires_at is not None and token.expires_at <= now):
        return None
    if token.user is not None and not (token.user.is_active and token.user.is_staff):
        return None
    _note_use(token, text, now, current=found[0])
    return token


def revoke_agent(agent_id: UUID) -> int:
    """Take back the tokens of every machine of a slot, launched ones included; how many there were."""
    return Token.objects.filter(agent_id=agent_id).delete()[0]


def revoke_instance(client: Client, instance_id: str) -> int:
    """Take back one machine's agent tokens; how many there were."""
    tokens = Token.objects.filter(kind=Token.Kind.AGENT, client=client, instance_id=instance_id)
    return tokens.delete()[0]


def revoke_enrolment(replica_id: UUID) -> int:
    """Take back what a launched machine would have enrolled with; how many there were."""
    return Token.objects.filter(kind=Token.Kind.ENROLMENT, replica_id=replica_id).delete()[0]


def revoke_staff(user: User) -> int:
    """Take back all bearer tokens of a person; how many there were."""
    return Token.objects.filter(kind=Token.Kind.STAFF, user=user).delete()[0]


def revoke(token: Token) -> int:
    """Take back one token of any kind; 0 if it was gone already."""
    return Token.objects.filter(pk=token.pk).delete()[0]


def purge(now: datetime) -> int:
    """Forget tokens that ran out a day ago or earlier; how many there were."""
    return Token.objects.filter(expires_at__lte=now - timedelta(days=1)).delete()[0]


def _note_use(token: Token, text: str, now: datetime, *, current: str) -> None:
    """Write `last_used_at` at most once a minute, and move the row on to the newest key with it."""
    due = now - USE_NOTED_EVERY
    if token.last_used_at is not None and token.last_used_at > due:
        return
    changes: dict[str, object] = {"last_used_at": now}
    if token.digest != current:
        changes["digest"] = current
        if token.kind == Token.Kind.CLIENT:
            changes["sealed"] = keys.seal(text, purpose="token seal")
    # The digest is asked for again: the token may have been replaced since it was read.
    Token.objects.filter(
        Q(last_used_at=None) | Q(last_used_at__lte=due), pk=token.pk, digest=token.digest
    ).update(**changes)


def _random(kind: Token.Kind) -> str:
    return f"spo_{LETTER[kind]}_{secrets.token_urlsafe(32)}"


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _digests(text: str) -> list[str]:
    return keys.digests(text, purpose="token digest")


def _digest(text: str) -> str:
    return _digests(text)[0]
