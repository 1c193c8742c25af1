"""Request bodies: JSON that PostgreSQL can keep, and nothing else."""

import json
import math
from typing import IO, Any

from rest_framework import parsers
from rest_framework.exceptions import ParseError


class Unstorable(ValueError):
    """A value that JSON allows and the database does not."""


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Unstorable(f"{text[:40]} is not a finite number.")
    return value


def _refuse(text: str) -> float:
    raise Unstorable(f"{text} is not JSON.")


def _check(value: Any) -> None:
    """No NUL and no half of a surrogate pair in any string; iterative, since depth is the caller's."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, str) and (
            "\x00" in item or any("\ud800" <= letter <= "\udfff" for letter in item)
        ):
            raise Unstorable("A string holds a NUL or half of a surrogate pair.")


class JSONParser(parsers.JSONParser):
    """DRF's, but strict: finite numbers, storable strings, bounded depth; otherwise a 400."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Any = None,
    ) -> Any:
        """The parsed body; `ParseError` says what is wrong with it."""
        try:
            text = stream.read().decode()
            value = json.loads(text, parse_float=_finite, parse_constant=_refuse)
            if "\\u" in text or "\x00" in text:
                _check(value)
        except Unstorable as error:
            raise ParseError(str(error)) from error
        except UnicodeDecodeError as error:
            raise ParseError("The body is not UTF-8.") from error
        except RecursionError as error:
            raise ParseError("The body is nested too deeply.") from error
        except ValueError as error:  # also an integer of thousands of digits
            raise ParseError(f"The body is not JSON: {str(error)[:100]}") from error
        return value
