"""Warm boto3 clients: one per account, service and region, with short time limits and no hidden retries."""

import re
from collections.abc import Callable
from functools import partial
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal, overload

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.credentials import Credentials, DeferredRefreshableCredentials
from django.conf import settings

from spotopt.cloud import errors
from spotopt.cloud.account import Account

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client
    from types_boto3_elbv2 import ElasticLoadBalancingv2Client
    from types_boto3_pricing import PricingClient
    from types_boto3_sqs import SQSClient
    from types_boto3_sts import STSClient

HOME_REGION = "us-east-1"
CONNECT_SECONDS = 2
READ_SECONDS = 8
_REGION = re.compile(r"[a-z]{2}(-[a-z]+){1,3}-\d{1,2}")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/.+")
_SESSION_NAME = "spotopt"

_lock = RLock()
# Reading the service models is what a new session costs: read once, for all of them.
_loader = botocore.loaders.Loader()
_clients: dict[tuple[Account, str, str, str], Any] = {}
_sessions: dict[tuple[Account, str, str], boto3.Session] = {}
_numbers: dict[tuple[Account, str], str] = {}


def _config(read_seconds: float) -> Config:
    return Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=25,
        tcp_keepalive=True,
        user_agent_extra="spotopt",
    )


def _assume(account: Account, region: str) -> dict[str, Any]:
    """Credentials of the account's role in the shape botocore refreshes from; they last an hour."""
    sts = client(Account(), "sts", region)
    extra: dict[str, Any] = {"ExternalId": account.external_id} if account.external_id else {}
    with errors.sorted_out():
        answer = sts.assume_role(
            RoleArn=account.role_arn, RoleSessionName=_SESSION_NAME, DurationSeconds=3600, **extra
        )
    given = answer["Credentials"]
    return {
        "access_key": given["AccessKeyId"],
        "secret_key": given["SecretAccessKey"],
        "token": given["SessionToken"],
        "expiry_time": given["Expiration"].isoformat(),
    }


def _session(account: Account, region: str, endpoint: str) -> boto3.Session:
    key = (account, region, endpoint)
    if (found := _sessions.get(key)) is not None:
        return found
    core = botocore.session.get_session()
    core.register_component("data_loader", _loader)
    if account.role_arn:
        # botocore asks again 15 minutes before they expire, and insists 10 minutes before.
        refresh: Callable[[], dict[str, Any]] = partial(_assume, account, region)
        core._credentials = DeferredRefreshableCredentials(  # type: ignore[attr-defined]
            refresh_using=refresh, method="sts-assume-role"
        )
    elif endpoint:
        # A simulated AWS never gets this machine's own role credentials, and takes any others.
        resolver = core.get_component("credential_provider")
        for provider in ("container-role", "iam-role"):
            resolver.remove(provider)
        if core.get_credentials() is None:
            core._credentials = Credentials("simulated", "simulated")  # type: ignore[attr-defined]
    _sessions[key] = boto3.Session(botocore_session=core, region_name=region)
    return _sessions[key]


@overload
def client(account: Account, service: Literal["ec2"], region: str) -> "EC2Client": ...
@overload
def client(
    account: Account, service: Literal["elbv2"], region: str
) -> "ElasticLoadBalancingv2Client": ...
@overload
def client(account: Account, service: Literal["pricing"], region: str) -> "PricingClient": ...
@overload
def client(account: Account, service: Literal["sqs"], region: str) -> "SQSClient": ...
@overload
def client(account: Account, service: Literal["sts"], region: str) -> "STSClient": ...
@overload
def client(account: Account, service: str, region: str) -> Any: ...
def client(account: Account, service: str, region: str) -> Any:
    """A client that is kept and shared by threads. Each call has 2 s to connect and 8 s for the answer
    (SQS, whose long polls wait 20 s: 25), and is made once. Raises PermanentError for a malformed region.
    """
    endpoint: str = settings.AWS_ENDPOINT_URL
    key = (account, service, region, endpoint)
    if (found := _clients.get(key)) is not None:
        return found
    if not _REGION.fullmatch(region):  # it becomes part of a host name
        raise errors.PermanentError("InvalidRegion", f"{region[:30]!r} is no AWS region.")
    with _lock, errors.sorted_out():
        if key not in _clients:
            _clients[key] = _session(account, region, endpoint).client(  # type: ignore[call-overload]
                service,
                region_name=region,
                endpoint_url=endpoint or None,
                config=_config(25 if service == "sqs" else READ_SECONDS),
            )
        return _clients[key]


def account_number(account: Account) -> str:
    """The twelve digits: as given, else from the role's ARN, else asked of STS once."""
    if account.number:
        return account.number
    if role := _ROLE.fullmatch(account.role_arn):
        return role[1]
    key = (account, settings.AWS_ENDPOINT_URL)
    if key not in _numbers:
        sts = client(account, "sts", HOME_REGION)
        with errors.sorted_out():
            _numbers[key] = sts.get_caller_identity()["Account"]
    return _numbers[key]


def forget() -> None:
    """Drop all that is kept warm: after a change of the server's own credentials, and between tests."""
    with _lock:
        _clients.clear()
        _sessions.clear()
        _numbers.clear()
