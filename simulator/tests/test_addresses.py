"""Blocks of the loopback network."""

from __future__ import annotations

import ipaddress

import pytest

from simulator.addresses import AddressBlock


@pytest.fixture
def block():
    made = AddressBlock(4000)
    yield made
    made.close()


def test_addresses_lie_in_one_loopback_block_and_differ(block):
    given = [block.allocate() for _ in range(2000)]
    assert len(set(given)) == 2000
    network = ipaddress.ip_network(f"127.{block.block}.0.0/16")
    assert all(ipaddress.ip_address(each) in network for each in given)
    assert "127.0.0.1" not in given


def test_two_simulators_never_share_a_block(block):
    other = AddressBlock(4000)
    try:
        assert other.block != block.block
    finally:
        other.close()


def test_a_block_is_free_again_when_its_holder_goes(block):
    first = AddressBlock(4000)
    taken = first.block
    first.close()
    again = AddressBlock(4000)
    try:
        assert again.block == taken
    finally:
        again.close()


def test_a_freed_address_is_not_given_out_at_once(block):
    gone = block.allocate()
    block.release(gone)
    assert block.allocate() != gone
