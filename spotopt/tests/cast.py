"""The cast of every test: Alice owns Acme, Bob may see it, Charlie belongs to somebody else.

Loaded as a pytest plugin, so that all of this is there in every app's tests.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.db import connections
from django.test import override_settings
from django.utils import timezone
from rest_framework.test import APIClient

from agents.models import Agent, Instance, Mode
from clients import auth, password_reset, tokens, views
from clients.models import Client, Membership
from pricing.models import Pool

PASSWORD = "a long enough password"
# A moment for domain functions that take `now`; the views read the real clock.
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def make_client(name: str = "Acme", **fields: Any) -> Client:
    """A tenant with the models' defaults."""
    email = f"{name.lower()}@example.com"
    return Client.objects.create(**{"name": name, "email": email, **fields})


@cache
def password_hash() -> str:
    """Made once: hashing is slow on purpose."""
    return make_password(PASSWORD)


def make_user(name: str, client: Client | None = None, role: str = "", **fields: Any) -> User:
    """A person, with a role in a client if both are given."""
    user = User.objects.create(
        username=name, email=f"{name}@example.com", password=password_hash(), **fields
    )
    if client is not None:
        Membership.objects.create(user=user, client=client, role=role)
    return user


def make_pool(
    instance_type: str = "t3.medium", az_id: str = "use1-az1", region: str = "us-east-1"
) -> Pool:
    """A Linux pool; the same one if it is there already."""
    return Pool.objects.get_or_create(
        pool_id=f"{instance_type}.{az_id}",
        defaults={"instance_type": instance_type, "az_id": az_id, "region": region},
    )[0]


def make_agent(client: Client, *, now: datetime | None = None, **fields: Any) -> Agent:
    """A slot, online and heard just now."""
    now = now or timezone.now()
    return Agent.objects.create(
        **{
            "client": client,
            "last_heartbeat_at": now,
            "stale_after": now + timedelta(seconds=90),
            **fields,
        }
    )


def make_instance(
    agent: Agent,
    instance_id: str,
    *,
    role: str = Instance.Role.PRIMARY,
    pool: Pool | None = None,
    now: datetime | None = None,
    **fields: Any,
) -> Instance:
    """A machine in a slot, registered and verified, on spot."""
    pool = pool or make_pool()
    now = now or timezone.now()
    return Instance.objects.create(
        **{
            "client": agent.client,
            "agent": agent,
            "instance_id": instance_id,
            "role": role,
            "mode": Mode.SPOT,
            "instance_type": pool.instance_type,
            "region": pool.region,
            "az_name": "us-east-1a",
            "az_id": pool.az_id,
            "pool": pool,
            "verified": True,
            "launched_at": now,
            "registered_at": now,
            "last_heartbeat_at": now,
            **fields,
        }
    )


def bearer(text: str) -> APIClient:
    """An API client that sends this token."""
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return api


def logged_in(user: User) -> APIClient:
    """An API client with this person's session."""
    api = APIClient()
    api.force_login(user)
    return api


def agent_token(agent: Agent, instance_id: str, now: datetime | None = None) -> str:
    """A token for the agent on that instance."""
    return tokens.issue_agent(agent.client, agent.pk, instance_id, now or timezone.now())


@dataclass(frozen=True)
class Slot:
    """An agent with its primary and the primary's token."""

    agent: Agent
    primary: Instance
    token: str

    @property
    def api(self) -> APIClient:
        """Calls as the machine."""
        return bearer(self.token)


def make_slot(client: Client, instance_id: str, **fields: Any) -> Slot:
    """An online agent with one primary; `fields` go to the agent."""
    agent = make_agent(client, **fields)
    primary = make_instance(agent, instance_id)
    return Slot(agent=agent, primary=primary, token=agent_token(agent, instance_id))


@pytest.fixture(autouse=True, scope="session")
def no_connection_outlives_its_thread() -> None:
    """Consumers query from threads; what those leave open would keep the test database from going."""
    connections.settings["default"]["CONN_MAX_AGE"] = 0


@pytest.fixture(autouse=True, scope="session")
def passwords_are_hashed_fast() -> Iterator[None]:
    """The real hash is slow on purpose."""
    fast = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with override_settings(PASSWORD_HASHERS=fast):
        yield


@pytest.fixture(autouse=True)
def no_failures_counted() -> None:
    """Wrong tokens and passwords of one test do not count in the next."""
    for counter in (auth.wrong_tokens, views.by_name, views.by_address, password_reset.asked):
        counter.clear()


@pytest.fixture
def now() -> datetime:
    """The moment of the test."""
    return timezone.now()


@pytest.fixture
def client_acme(db: None) -> Client:
    """The tenant at hand."""
    return make_client("Acme", max_usd_per_hour=Decimal(100))


@pytest.fixture
def client_other(db: None) -> Client:
    """Somebody else's."""
    return make_client("Other")


@pytest.fixture
def alice(client_acme: Client) -> User:
    """Owns Acme."""
    return make_user("alice", client_acme, Membership.Role.OWNER)


@pytest.fixture
def olga(client_acme: Client) -> User:
    """Operates Acme."""
    return make_user("olga", client_acme, Membership.Role.OPERATOR)


@pytest.fixture
def bob(client_acme: Client) -> User:
    """May see Acme."""
    return make_user("bob", client_acme, Membership.Role.VIEWER)


@pytest.fixture
def charlie(client_other: Client) -> User:
    """Owns Other, and must not see Acme."""
    return make_user("charlie", client_other, Membership.Role.OWNER)


@pytest.fixture
def staff(db: None) -> User:
    """Runs the installation."""
    return make_user("staff", is_staff=True, is_superuser=True)


@pytest.fixture
def acme_token(client_acme: Client) -> str:
    """The client token of Acme."""
    return tokens.issue_client(client_acme, timezone.now())


@pytest.fixture
def other_token(client_other: Client) -> str:
    """The client token of Other."""
    return tokens.issue_client(client_other, timezone.now())


@pytest.fixture
def staff_token(staff: User) -> str:
    """A bearer token of staff."""
    return tokens.issue_staff(staff, timezone.now(), timedelta(hours=1))


@pytest.fixture
def api() -> APIClient:
    """Calls with no credential."""
    return APIClient()


@pytest.fixture
def acme_api(acme_token: str) -> APIClient:
    """Calls as Acme's software."""
    return bearer(acme_token)


@pytest.fixture
def other_api(other_token: str) -> APIClient:
    """Calls as Other's software."""
    return bearer(other_token)


@pytest.fixture
def staff_api(staff_token: str) -> APIClient:
    """Calls as staff."""
    return bearer(staff_token)


@pytest.fixture
def slot(client_acme: Client) -> Slot:
    """Acme's agent with its primary i-0acme0000000001."""
    return make_slot(client_acme, "i-0acme0000000001")


@pytest.fixture
def other_slot(client_other: Client) -> Slot:
    """Other's agent with its primary i-0other000000001."""
    return make_slot(client_other, "i-0other000000001")


@pytest.fixture
def as_user() -> Callable[[User], APIClient]:
    """`as_user(alice)` calls with her session."""
    return logged_in
