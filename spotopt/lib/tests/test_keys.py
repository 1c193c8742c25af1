"""Keys derived from TOKEN_KEYS: apart by purpose, rotated by order."""

import pytest

from spotopt.lib import keys


@pytest.fixture(autouse=True)
def two_keys(settings):
    settings.TOKEN_KEYS = ["new", "old"]
    return settings


def test_purposes_and_secrets_give_different_keys():
    found = [*keys.derived("a"), *keys.derived("b")]
    assert len(set(found)) == 4
    assert {len(key) for key in found} == {32}
    assert keys.derived("a") == keys.derived("a")


def test_digests_newest_first(two_keys):
    new, old = keys.digests("text", purpose="p")
    two_keys.TOKEN_KEYS = ["old"]
    assert keys.digests("text", purpose="p") == [old]
    assert new != old


def test_what_the_old_key_sealed_still_opens(two_keys):
    two_keys.TOKEN_KEYS = ["old"]
    sealed = keys.seal("text", purpose="p")
    two_keys.TOKEN_KEYS = ["new", "old"]
    assert keys.unseal(sealed, purpose="p") == "text"
    assert "text" not in sealed


@pytest.mark.parametrize("sealed", ["", "nonsense", "gAAAAA"])
def test_what_nobody_sealed_does_not_open(sealed):
    with pytest.raises(keys.SealBroken):
        keys.unseal(sealed, purpose="p")


def test_a_seal_of_another_purpose_does_not_open():
    with pytest.raises(keys.SealBroken):
        keys.unseal(keys.seal("text", purpose="p"), purpose="q")
