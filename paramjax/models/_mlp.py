"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence

import flax.linen as nn

from paramjax._types import Array
from paramjax.models._activations import activation
from paramjax.models._dense import Dense


class MLP(nn.Module):
    """Dense layers with an activation between them, none after the last.

    Attributes:
        features: Width of each layer; the last one is the number of outputs.
        activation: Name of the activation between layers, see `activation`.

    Raises:
        ValueError: On the first call, for an unknown activation.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> model = MLP((64, 10), activation="relu")
        >>> params = model.init(jax.random.key(0), jnp.zeros((1, 64)))
        >>> model.apply(params, jnp.ones((5, 64))).shape
        (5, 10)
    """

    features: Sequence[int]
    activation: str = "relu"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map [batch, inputs] to [batch, features[-1]]."""
        between = activation(self.activation)
        for width in self.features[:-1]:
            x = between(Dense(width)(x))
        return Dense(self.features[-1])(x)
