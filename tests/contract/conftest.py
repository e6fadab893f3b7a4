"""The contract suite broadcasts as optax does: some of its transformations promote ranks."""

import jax
import pytest


@pytest.fixture(autouse=True)
def _as_optax_broadcasts():
    with jax.numpy_rank_promotion("allow"):
        yield
