"""The host's threefry equals `jax.random`, bit for bit, under either of JAX's settings."""

import jax
import numpy as np
import pytest

from paramjax import _threefry

KEYS = [0, 1, 2**32 - 1, 123_456_789]


@pytest.fixture(params=[True, False], ids=["partitionable", "original"], autouse=True)
def setting(request):
    before = jax.config.jax_threefry_partitionable
    jax.config.update("jax_threefry_partitionable", request.param)
    yield
    jax.config.update("jax_threefry_partitionable", before)


def keys():
    return jax.vmap(jax.random.key)(np.array(KEYS, np.uint32))


def test_keys_fold_and_split_as_those_of_jax():
    own, numbers = _threefry.words(keys()), np.array([0, 1, 7, 2**32 - 1], np.uint32)
    folded = jax.vmap(jax.random.fold_in)(keys(), numbers)
    np.testing.assert_array_equal(_threefry.fold_in(own, numbers), jax.random.key_data(folded))
    for num in (2, 3):
        halves = jax.vmap(lambda key: jax.random.split(key, num))(keys())  # noqa: B023
        np.testing.assert_array_equal(_threefry.split(own, num), jax.random.key_data(halves))


@pytest.mark.parametrize("count", [1, 5, 40_001])
def test_bits_are_those_of_jax(count):
    drawn = jax.vmap(lambda key: jax.random.bits(key, (count,)))(keys())
    np.testing.assert_array_equal(_threefry.bits(_threefry.words(keys()), count), drawn)


@pytest.mark.parametrize("rows", [1, 2, 7, 1_700, 100_000])
def test_permutations_are_those_of_jax(rows):
    """One round of sorting up to 1,625 rows, two beyond; of 100,000 words some are equal."""
    drawn = jax.vmap(lambda key: jax.random.permutation(key, rows))(keys())
    own = _threefry.permutations(_threefry.words(keys()), rows)
    assert own.dtype == np.int32
    np.testing.assert_array_equal(own, drawn)
