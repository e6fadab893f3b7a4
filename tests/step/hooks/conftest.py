"""What the tests of hooks share."""

import jax.numpy as jnp
import pytest


@pytest.fixture(scope="session")
def drift():
    """A loss whose gradient is the batch itself, so that the test sets every step."""
    return lambda params, batch, key: (jnp.sum(params * batch), {})
