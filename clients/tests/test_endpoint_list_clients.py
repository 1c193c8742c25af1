"""Endpoint 19."""

import pytest

from agents.models import Agent
from spotopt.tests import cast

URL = "/api/admin/clients"
# The caller's token, its user, the list, the total; no more for more clients.
QUERIES = 5


def test_every_client_in_short(staff_api, slot, other_slot, client_acme):
    cast.make_agent(client_acme, status=Agent.Status.OFFLINE)
    answer = staff_api.get(URL).json()
    assert answer["total"] == 2
    acme, other = answer["clients"]
    assert acme["id"] == str(client_acme.pk)
    assert acme["name"] == "Acme"
    assert acme["created_at"].endswith("Z")
    assert acme["active_agents"] == 1
    assert acme["status"] == "active"
    assert {"id", "name", "created_at", "active_agents", "total_savings", "status"} <= set(other)


def test_in_parts(staff_api):
    for name in "EDCBA":
        cast.make_client(name)
    answer = staff_api.get(URL, {"limit": 2, "offset": 1}).json()
    assert [client["name"] for client in answer["clients"]] == ["B", "C"]
    assert answer["total"] == 5
    assert staff_api.get(URL, {"offset": 9}).json() == {"clients": [], "total": 5}


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 1001},
        {"limit": "x"},
        {"limit": "-1"},
        {"offset": "1e3"},
        {"offset": "٣"},
    ],
)
def test_a_bad_part_is_400(staff_api, query):
    response = staff_api.get(URL, query)
    assert response.status_code == 400
    assert list(response.json()["errors"]) == list(query)


@pytest.mark.parametrize("count", [1, 7])
def test_queries(staff_api, count, django_assert_num_queries):
    for index in range(count):
        cast.make_slot(cast.make_client(f"Client {index}"), f"i-{index}")
    with django_assert_num_queries(QUERIES):
        staff_api.get(URL)


def test_it_is_json_whatever_a_browser_accepts(staff_api):
    response = staff_api.get(URL, HTTP_ACCEPT="text/html")
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
