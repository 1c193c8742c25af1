"""Which machine this is."""

from __future__ import annotations

import pytest
from spotopt_agent import identity
from spotopt_agent.identity import Identity
from spotopt_agent.metadata import Metadata, MetadataError

EXPECTED = Identity(
    instance_id="i-0aaaaaaaaaaaaaaa1",
    instance_type="t3.medium",
    region="us-east-1",
    az="us-east-1a",
    az_id="use1-az4",
    private_ip="10.0.0.7",
    mode="spot",
)


def read(metadata) -> Identity:
    return identity.read(Metadata(metadata.url))


def test_from_the_document(metadata):
    assert read(metadata) == EXPECTED
    assert not metadata.seen("GET", "/instance-type")  # the document had it


def test_from_single_items_where_there_is_no_document(metadata):
    metadata.document = None
    assert read(metadata) == EXPECTED


def test_what_the_document_lacks_is_asked_for(metadata):
    del metadata.document["privateIp"]
    metadata.document["availabilityZone"] = ""
    assert read(metadata) == EXPECTED


@pytest.mark.parametrize(
    ("life_cycle", "mode"),
    [
        ("spot", "spot"),
        ("on-demand", "on-demand"),
        ("scheduled", "on-demand"),
        ("capacity-block", "on-demand"),
        (None, "on-demand"),
    ],
)
def test_how_it_is_paid(metadata, life_cycle, mode):
    metadata.items["instance-life-cycle"] = life_cycle
    assert read(metadata).mode == mode


def test_what_may_be_missing(metadata):
    metadata.document = None
    for name in ("placement/availability-zone-id", "local-ipv4"):
        del metadata.items[name]
    found = read(metadata)
    assert found.az_id is None
    assert found.private_ip is None


@pytest.mark.parametrize(
    "name", ["instance-id", "instance-type", "placement/region", "placement/availability-zone"]
)
def test_what_must_not_be_missing(metadata, name):
    metadata.document = None
    del metadata.items[name]
    with pytest.raises(MetadataError, match=name):
        read(metadata)
