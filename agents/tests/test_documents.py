"""Fields for what machines send: no JSON gets through that cannot be kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework import serializers

from agents.documents import (
    DEEPEST,
    DocumentField,
    NumberField,
    StrictBooleanField,
    TooLarge,
    depth,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


class Form(serializers.Serializer):
    document = DocumentField(max_bytes=20, required=False)
    number = NumberField(min_value=0, max_value=10, required=False)
    flag = StrictBooleanField(required=False)


def complaints(**body):
    form = Form(data=body)
    form.is_valid()
    return list(form.errors)


@pytest.mark.parametrize("value", [0, 10, 0.5, "5"])
def test_numbers(value):
    assert complaints(number=value) == []


@pytest.mark.parametrize(
    "value", [-1, 11, "nan", "inf", "-inf", float("nan"), 10**400, True, None, "", [], {}]
)
def test_no_numbers(value):
    assert complaints(number=value) == ["number"]


@pytest.mark.parametrize("value", [0, 1, "true", "", None, [], {}])
def test_no_booleans(value):
    assert complaints(flag=value) == ["flag"]


@pytest.mark.parametrize("value", [[], "x", 1, None, True])
def test_no_documents(value):
    assert complaints(document=value) == ["document"]


def test_a_document_is_kept_as_it_is():
    form = Form(data={"document": {"a": [1, None]}})
    assert form.is_valid()
    assert form.validated_data["document"] == {"a": [1, None]}


def test_the_limit_is_in_bytes_of_utf8():
    assert complaints(document={"a": "x" * 12}) == []
    with pytest.raises(TooLarge) as caught:
        complaints(document={"a": "é" * 7})
    assert (caught.value.status, list(caught.value.errors)) == (413, ["document"])


@pytest.mark.parametrize(("document", "levels"), [({}, 1), ({"a": 1}, 1), ({"a": [{}]}, 3), (1, 1)])
def test_depth(document, levels):
    assert depth(document) == levels


def test_counting_depth_stops_past_the_limit():
    deep: dict[str, object] = {}
    for _ in range(5000):
        deep = {"a": deep, "b": [deep] if len(deep) < 2 else 0}
    assert depth(deep) == DEEPEST + 1
    assert complaints(document=deep) == ["document"]


@given(JSON)
def test_any_json_is_taken_or_refused_by_name(value):
    try:
        for name in ("document", "number", "flag"):
            assert complaints(**{name: value}) in ([], [name])
    except TooLarge:
        assert isinstance(value, dict)
