"""How pages write values: money, spans, moments, states as pills. Unknown is said, never shown as zero."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

UNKNOWN = "unknown"
MINUS = "\N{MINUS SIGN}"
TONES = {
    "ok": {"online", "ready", "promoted", "done", "executed", "primary", "promoted_replica", "moved"},
    "info": {
        "standby", "launching", "syncing", "promoting", "preparing", "standing", "quiescing", "retiring",
        "pending", "delivered", "intended", "info", "created_emergency_replica", "spot", "handling",
    },
    "warn": {
        "warning", "recorded_only", "unknown", "expired", "launched_on_demand", "terminating", "leftover",
    },
    "bad": {"offline", "failed", "refused", "error", "critical"},
}  # fmt: skip
WORDS = {
    "promoted_replica": "moved to a replica",
    "created_emergency_replica": "launched a replica",
    "launched_on_demand": "launched on demand",
    "recorded_only": "recorded only",
    "emergency_termination": "emergency",
    "manual_replica_promotion": "by hand",
    "standing": "standing by",
    "superseded": "retired",
    "leftover": "still running",
}


@register.simple_tag
def pill(state: str) -> SafeString:
    """A state as a word on a tinted ground; the word says it all, the tint only helps the eye."""
    tone = next((name for name, states in TONES.items() if state in states), "quiet")
    return format_html('<span class="pill pill-{}">{}</span>', tone, words(state))


@register.filter
def words(state: str) -> str:
    """A stored state as people say it."""
    return WORDS.get(state, state.replace("_", " "))


@register.filter
def usd(amount: Decimal | None) -> str:
    """`$0.0125`: four decimals below a dollar, two above; a minus stands before the sign."""
    if amount is None:
        return UNKNOWN
    sign = MINUS if amount < 0 else ""
    size = abs(amount)
    return f"{sign}${size:,.4f}" if size < 1 else f"{sign}${size:,.2f}"


@register.filter
def percent(share: Decimal | float | None) -> str:
    """A share of 1 as whole percent."""
    return UNKNOWN if share is None else f"{share * 100:.0f} %".replace("-", MINUS)


@register.filter
def span(length: timedelta | float | None) -> str:
    """A span of time, precise where it is short: `0.24 s`, `8.4 s`, `2 min 05 s`, `3 h 20 min`."""
    if length is None:
        return UNKNOWN
    seconds = length.total_seconds() if isinstance(length, timedelta) else float(length)
    if seconds < 0:
        return f"{MINUS}{span(-seconds)}"
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} days {hours % 24} h"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago, as static/ago.js goes on writing it."""
    seconds = (now - moment).total_seconds()
    if seconds < 0:
        return "soon"
    if seconds < 5:
        return "just now"
    if seconds < 90:
        return f"{seconds:.0f} s ago"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min ago"
    return f"{seconds / 3600:.0f} h ago" if seconds < 129_600 else f"{seconds / 86400:.0f} days ago"


def clock(moment: datetime, now: datetime) -> str:
    """The time of day; with its date where that is not today's. UTC."""
    moment = moment.astimezone(UTC)
    if moment.date() == now.astimezone(UTC).date():
        return f"{moment:%H:%M:%S}"
    return f"{moment.day} {moment:%b} {moment:%H:%M}"


@register.simple_tag
def when(moment: datetime | None, missing: str = "never") -> SafeString | str:
    """A moment, both ways: `12:03:04 · 3 min ago`."""
    if moment is None:
        return missing
    now = timezone.now()
    stamp = moment.astimezone(UTC).isoformat()
    return format_html(
        '<time datetime="{0}" title="{1} UTC">{2} · <span data-ago="{0}">{3}</span></time>',
        stamp,
        f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        clock(moment, now),
        ago(moment, now),
    )


@register.simple_tag
def since(moment: datetime | None, missing: str = "never") -> SafeString | str:
    """A moment as how long ago alone, where space is short; the exact one is its title."""
    if moment is None:
        return missing
    stamp = moment.astimezone(UTC).isoformat()
    return format_html(
        '<time datetime="{0}" title="{1} UTC" data-ago="{0}">{2}</time>',
        stamp,
        f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        ago(moment, timezone.now()),
    )


@register.simple_tag
def server_time() -> str:
    """Now, for pages that go on counting."""
    return timezone.now().isoformat()
