"""User data as EC2 takes it: base64, perhaps gzipped, a script or a MIME message with scripts."""

from __future__ import annotations

import base64
import binascii
import gzip
import zlib
from email import message_from_bytes


def decode(encoded: str | None) -> bytes:
    """The bytes as the metadata service shows them. What isn't base64 is taken as it is."""
    if not encoded:
        return b""
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return encoded.encode()


def script(data: bytes) -> bytes | None:
    """What a booting machine would run, or None: only what begins with `#!` is run."""
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            return None
    if data.startswith(b"#!"):
        return data
    if data[:13].lower() in (b"content-type:", b"mime-version:"):
        for part in message_from_bytes(data).walk():
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes) and payload.lstrip().startswith(b"#!"):
                return payload.lstrip()
    return None
