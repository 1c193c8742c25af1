"""Keys for one purpose each, derived from the installation's rotatable secrets."""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class SealBroken(Exception):
    """No key of TOKEN_KEYS opens this: the one it was sealed with has been removed."""


def derived(purpose: str) -> list[bytes]:
    """32-byte keys for `purpose`, one for each of TOKEN_KEYS, newest first."""
    return [
        hmac.digest(secret.encode(), f"spotopt/{purpose}".encode(), hashlib.sha256)
        for secret in settings.TOKEN_KEYS
    ]


def digests(text: str, *, purpose: str) -> list[str]:
    """The hex HMAC-SHA256 of `text` under each key, newest first: store the first, look for all."""
    return [hmac.digest(key, text.encode(), hashlib.sha256).hex() for key in derived(purpose)]


def seal(text: str, *, purpose: str) -> str:
    """Encrypt under the newest key."""
    return _box(purpose).encrypt(text.encode()).decode()


def unseal(sealed: str, *, purpose: str) -> str:
    """Decrypt with whichever key fits; `SealBroken` if none does."""
    try:
        return _box(purpose).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise SealBroken(purpose) from error


def _box(purpose: str) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in derived(purpose)])
