"""What can go wrong at AWS, sorted by what a caller does about it."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection
from botocore.parsers import ResponseParserError

log = logging.getLogger(__name__)


class CloudError(Exception):
    """AWS refused or failed. `code` is AWS's own error code, `message` its text, cut to 300 characters."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message


class CapacityError(CloudError):
    """This pool has no capacity now: try the next, and leave this one alone for a while."""


class QuotaError(CloudError):
    """The account's limit is reached: another way of buying, another region, a person."""


class ThrottleError(CloudError):
    """Too many calls, or a fault on AWS's side: the same call may work a little later."""


class NotYetVisibleError(CloudError):
    """EC2 does not know the instance, or not in that state; right after a launch it soon will."""


class PermanentError(CloudError):
    """It will not work until a person changes something."""


class UnreachableError(CloudError):
    """No answer that can be read came in time. Whether the call took effect is unknown."""


CODES: dict[type[CloudError], frozenset[str]] = {
    CapacityError: frozenset(
        {
            "InsufficientInstanceCapacity",
            "InsufficientHostCapacity",
            "InsufficientCapacity",
            "InsufficientFreeAddressesInSubnet",
            "UnfulfillableCapacity",
            "Unsupported",
            "ReservationCapacityExceeded",
            "SpotMaxPriceTooLow",
            # The launch that this ClientToken stands for worked, and that machine is gone already.
            "IdempotentInstanceTerminated",
        }
    ),
    QuotaError: frozenset(
        {
            "MaxSpotInstanceCountExceeded",
            "VcpuLimitExceeded",
            "InstanceLimitExceeded",
            "VolumeLimitExceeded",
        }
    ),
    ThrottleError: frozenset(
        {
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "EC2ThrottledException",
            "TooManyRequestsException",
            "SlowDown",
            "PriorRequestNotComplete",  # Route 53: an earlier change of the zone is under way
            "ServiceUnavailable",
            "ServiceUnavailableException",
            "Unavailable",
            "InternalError",
            "InternalFailure",
            "InternalErrorException",
        }
    ),
    NotYetVisibleError: frozenset(
        {
            "InvalidInstanceID.NotFound",
            "IncorrectInstanceState",
            "InvalidTarget",  # ELBv2: the target is not running yet
        }
    ),
}
_CLASSES = {code: kind for kind, codes in CODES.items() for code in codes}
# IAM appends a kilobyte of ciphertext that helps nobody who reads a log.
_ENCODED = re.compile(r"\s*Encoded authorization failure message:.*", re.DOTALL)


def _clean(text: object) -> str:
    return " ".join(_ENCODED.sub("", str(text)).split())[:300]


def _from_answer(error: ClientError) -> CloudError:
    details = error.response.get("Error", {})
    code = str(details.get("Code") or "Unknown")
    message = _clean(details.get("Message") or "")
    if kind := _CLASSES.get(code):
        return kind(code, message)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status in (429, 503):
        return ThrottleError(code, message)
    if status >= 500:
        return UnreachableError(code, message)
    return PermanentError(code, message)


def sort(error: Exception) -> CloudError:
    """The class of any error that boto3 raises; what AWS has not listed is judged by its HTTP status."""
    if isinstance(error, CloudError):
        return error
    if isinstance(error, ClientError):
        return _from_answer(error)
    if isinstance(error, ResponseParserError):  # a page of HTML where XML was due
        return UnreachableError("UnreadableAnswer", _clean(error))
    if isinstance(error, HTTPClientError | NoConnection):
        return UnreachableError(type(error).__name__, _clean(error))
    return PermanentError(type(error).__name__, _clean(error))


@contextmanager
def sorted_out() -> Iterator[None]:
    """Let no error of boto3's through as it is: raises a CloudError in its place."""
    try:
        yield
    except (ClientError, BotoCoreError, ResponseParserError) as error:
        found = sort(error)
        log.info("AWS: %s: %s", type(found).__name__, found)
        raise found from error
