"""The agent's settings: environment over a configuration file, parsed strictly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Optional
from urllib.parse import urlsplit

DEFAULT_CONFIG = Path("/etc/spotopt/agent.conf")
KEYS = {
    "SPOTOPT_SERVER_URL": "server_urls",
    "SPOTOPT_TOKEN": "token",
    "SPOTOPT_TOKEN_FILE": "token_file",
    "SPOTOPT_STATE_DIR": "state_dir",
    "SPOTOPT_HOOKS_DIR": "hooks_dir",
    "SPOTOPT_PARENT_AGENT_ID": "parent_agent_id",
    "SPOTOPT_REPLACING_AGENT_ID": "replacing_agent_id",
    "SPOTOPT_LOGICAL_AGENT_ID": "logical_agent_id",
    "SPOTOPT_INTERVAL_SCALE": "interval_scale",
    "SPOTOPT_HOOK_SECONDS": "hook_seconds",
    "SPOTOPT_SYNC_SECONDS": "sync_seconds",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT": "metadata_endpoint",
    "AWS_ENDPOINT_URL": "aws_endpoint",
}


class SettingsError(Exception):
    """A setting is missing or cannot be read; the message names it and says what to do."""


@dataclass(frozen=True)
class Settings:
    """Everything the agent is told from outside. Durations are in seconds."""

    server_urls: tuple[str, ...]
    state_dir: Path
    hooks_dir: Path
    token: Optional[str] = None
    parent_agent_id: Optional[str] = None
    replacing_agent_id: Optional[str] = None
    logical_agent_id: Optional[str] = None
    interval_scale: float = 1.0
    hook_seconds: float = 30.0
    sync_seconds: float = 900.0
    metadata_endpoint: str = "http://169.254.169.254"
    aws_endpoint: Optional[str] = None

    def __repr__(self) -> str:
        # Never the token: settings may end up in a log line or a traceback.
        return f"Settings(server_urls={self.server_urls!r}, state_dir={str(self.state_dir)!r})"


def load(environ: Mapping[str, str], config: Optional[Path] = None) -> Settings:
    """Reads ``config`` (if it is there; it must be if named) and then ``environ``.

    Raises SettingsError.
    """
    values = _values(environ, config)
    if values.get("SPOTOPT_PARENT_AGENT_ID") and values.get("SPOTOPT_REPLACING_AGENT_ID"):
        raise SettingsError(
            "SPOTOPT_PARENT_AGENT_ID and SPOTOPT_REPLACING_AGENT_ID exclude each other: "
            "a machine either joins an agent's slot or replaces an agent"
        )
    return Settings(
        server_urls=_urls(values, "SPOTOPT_SERVER_URL"),
        token=_token(values),
        state_dir=_state_dir(values),
        hooks_dir=Path(values.get("SPOTOPT_HOOKS_DIR", "/etc/spotopt/hooks")),
        parent_agent_id=values.get("SPOTOPT_PARENT_AGENT_ID"),
        replacing_agent_id=values.get("SPOTOPT_REPLACING_AGENT_ID"),
        logical_agent_id=values.get("SPOTOPT_LOGICAL_AGENT_ID"),
        interval_scale=_positive(values, "SPOTOPT_INTERVAL_SCALE", 1.0),
        hook_seconds=_positive(values, "SPOTOPT_HOOK_SECONDS", 30.0),
        sync_seconds=_positive(values, "SPOTOPT_SYNC_SECONDS", 900.0),
        metadata_endpoint=_url(
            values.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254"),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        ),
        aws_endpoint=(
            _url(values["AWS_ENDPOINT_URL"], "AWS_ENDPOINT_URL")
            if "AWS_ENDPOINT_URL" in values
            else None
        ),
    )


def state_dir(environ: Mapping[str, str], config: Optional[Path] = None) -> Path:
    """The state folder alone, for which nothing else has to be set. Raises SettingsError."""
    return _state_dir(_values(environ, config))


def read_file(path: Path, *, required: bool) -> dict[str, str]:
    """The KEY=VALUE lines of ``path``. Raises SettingsError, with the line's number."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if required:
            raise SettingsError(f"configuration file {path} does not exist") from None
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"configuration file {path} cannot be read: {error}") from None
    values: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        key, equals, value = line.partition("=")
        key = key.strip()
        value = value.strip()
        if not equals:
            raise SettingsError(f"{path}, line {number}: expected KEY=VALUE")
        if key not in KEYS:
            raise SettingsError(f"{path}, line {number}: there is no setting named {key!r}")
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        if value:
            values[key] = value
    return values


def _values(environ: Mapping[str, str], config: Optional[Path]) -> dict[str, str]:
    values = read_file(config or DEFAULT_CONFIG, required=config is not None)
    values.update({key: environ[key].strip() for key in KEYS if environ.get(key, "").strip()})
    return values


def _state_dir(values: Mapping[str, str]) -> Path:
    return Path(values.get("SPOTOPT_STATE_DIR", "/var/lib/spotopt-agent"))


def _token(values: Mapping[str, str]) -> Optional[str]:
    token = values.get("SPOTOPT_TOKEN")
    file = values.get("SPOTOPT_TOKEN_FILE")
    if token is None and file is not None:
        try:
            token = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"SPOTOPT_TOKEN_FILE cannot be read: {error}") from None
        if not token:
            raise SettingsError(f"SPOTOPT_TOKEN_FILE names an empty file: {file}")
    # http.client would put a newline or a letter beyond Latin-1 into a header only by raising.
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
        raise SettingsError("SPOTOPT_TOKEN must be printable ASCII without spaces")
    return token


def _urls(values: Mapping[str, str], key: str) -> tuple[str, ...]:
    parts = [part.strip() for part in values.get(key, "").split(",") if part.strip()]
    if not parts:
        raise SettingsError(
            f"{key} is not set: it names the server, such as https://spot.example.com"
        )
    return tuple(_url(part, key) for part in parts)


def _url(value: str, key: str) -> str:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise SettingsError(f"{key} is not an address: {value!r} ({error})") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise SettingsError(
            f"{key} must be http://host[:port] or https://host[:port], not {value!r}"
        )
    if parts.query or parts.fragment or parts.username is not None:
        raise SettingsError(f"{key} takes an address without credentials, query or fragment")
    return value.rstrip("/")


def _positive(values: Mapping[str, str], key: str, default: float) -> float:
    raw = values.get(key)
    if raw is None:
        return default
    try:
        number = float(raw)
    except ValueError:
        raise SettingsError(f"{key} must be a number, not {raw!r}") from None
    if not math.isfinite(number) or number <= 0:
        raise SettingsError(f"{key} must be a number above zero, not {raw!r}")
    return number
