"""What the routing document of an agent may say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import configuration_rules, routing_rules
from spotopt.lib.errors import BadInput

DNS = {"zone_id": "Z0123456789ABC", "name": "api.example.com"}
EIP = {"allocation_id": "eipalloc-0123456789abcdef0"}
HOOK = {"url": "https://example.com/moved?a=b"}


def refusal(document) -> str:
    with pytest.raises(BadInput) as refused:
        configuration_rules.check({"routing": document})
    assert list(refused.value.errors) == ["routing"]
    return refused.value.errors["routing"][0]


def test_nothing_is_routed_by_default():
    assert routing_rules.document({}) == routing_rules.document(None) == {}


def test_defaults_are_filled_in():
    stored = routing_rules.document({"dns": DNS, "elastic_ip": EIP, "webhook": HOOK})
    assert stored == {
        "dns": {**DNS, "type": "A", "address": "private", "ttl": 30},
        "elastic_ip": EIP,
        "webhook": {**HOOK, "allow_http": False},
    }
    assert routing_rules.document(stored) == stored


def test_a_part_that_is_null_is_absent():
    assert routing_rules.document({"dns": None, "elastic_ip": EIP}) == {"elastic_ip": EIP}


@pytest.mark.parametrize(
    ("given_name", "stored"),
    [("API.Example.com.", "api.example.com"), ("*.x.example.com", "*.x.example.com")],
)
def test_names_are_stored_in_one_form(given_name, stored):
    assert routing_rules.document({"dns": {**DNS, "name": given_name}})["dns"]["name"] == stored


def test_a_zone_id_as_the_api_tells_it():
    stored = routing_rules.document({"dns": {**DNS, "zone_id": "/hostedzone/Z1"}})
    assert stored["dns"]["zone_id"] == "Z1"


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], "routing"),
        ("dns", "routing"),
        ({"cname": {}}, "routing.cname"),
        ({"dns": "api.example.com"}, "dns"),
        ({"dns": {"name": "a.b"}}, "dns.zone_id"),
        ({"dns": {"zone_id": "Z1"}}, "dns.name"),
        ({"dns": {**DNS, "zone_id": "z/../x"}}, "dns.zone_id"),
        ({"dns": {**DNS, "name": "localhost"}}, "dns.name"),
        ({"dns": {**DNS, "name": "a b.com"}}, "dns.name"),
        ({"dns": {**DNS, "name": ".".join(["a" * 60] * 5)}}, "dns.name"),
        ({"dns": {**DNS, "type": "CNAME"}}, "dns.type"),
        ({"dns": {**DNS, "type": ["A"]}}, "dns.type"),
        ({"dns": {**DNS, "address": "both"}}, "dns.address"),
        ({"dns": {**DNS, "ttl": 0}}, "dns.ttl"),
        ({"dns": {**DNS, "ttl": True}}, "dns.ttl"),
        ({"dns": {**DNS, "ttl": "30"}}, "dns.ttl"),
        ({"dns": {**DNS, "weight": 1}}, "dns.weight"),
        ({"elastic_ip": {}}, "elastic_ip.allocation_id"),
        ({"elastic_ip": {"allocation_id": "203.0.113.5"}}, "elastic_ip.allocation_id"),
        ({"webhook": {}}, "webhook.url"),
        ({"webhook": {"url": "ftp://example.com/"}}, "webhook.url"),
        ({"webhook": {"url": "https:///path"}}, "webhook.url"),
        ({"webhook": {"url": "https://example.com:port/"}}, "webhook.url"),
        ({"webhook": {"url": "https://[::1/"}}, "webhook.url"),
        ({"webhook": {"url": "https://example.com/a b"}}, "webhook.url"),
        ({"webhook": {"url": "https://example.com/\r\nX: y"}}, "webhook.url"),
        ({"webhook": {"url": "https://me:secret@example.com/"}}, "webhook.url"),
        ({"webhook": {"url": "https://example.com/" + "x" * 500}}, "webhook.url"),
        ({"webhook": {**HOOK, "allow_http": "yes"}}, "webhook.allow_http"),
    ],
)
def test_what_is_wrong_is_named(document, field):
    assert refusal(document).startswith(f"{field}: ")


def test_plain_http_is_asked_for_expressly():
    plain = {"url": "http://hooks.internal/moved"}
    assert "allow_http" in refusal({"webhook": plain})
    stored = routing_rules.document({"webhook": {**plain, "allow_http": True}})
    assert stored["webhook"]["url"] == plain["url"]


@pytest.mark.parametrize("text", ["", "lt-0123456789abcdef0", "web", "web:3", "lt-1:$Latest"])
def test_launch_templates(text):
    assert configuration_rules.check({"launch_template": text}) == {"launch_template": text}


@pytest.mark.parametrize("text", ["a", "we b", "web:", "web:$Newest", "web:1\n", None, 3])
def test_other_launch_templates(text):
    with pytest.raises(BadInput) as refused:
        configuration_rules.check({"launch_template": text})
    assert list(refused.value.errors) == ["launch_template"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(routing_rules.PARTS, JSON)))
def test_any_json_is_stored_or_refused(document):
    try:
        stored = routing_rules.document(document)
    except routing_rules.Wrong as wrong:
        assert ":" in str(wrong)  # noqa: PT017
    else:
        assert routing_rules.document(stored) == stored
