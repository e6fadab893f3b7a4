"""The linear model, x W + b."""

from __future__ import annotations

import flax.linen as nn

from paramjax._types import Array
from paramjax.models._dense import Dense


class Linear(nn.Module):
    """`x W + b`: linear regression, and the logits of logistic regression.

    Attributes:
        features: Number of outputs.
        zero_init: Start at zero, which is the right start for a convex problem;
            otherwise LeCun normal.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> params = Linear(1).init(jax.random.key(0), jnp.zeros((1, 3)))
        >>> Linear(1).apply(params, jnp.ones((5, 3))).shape
        (5, 1)
    """

    features: int
    zero_init: bool = True

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map [batch, inputs] to [batch, features]."""
        if self.zero_init:
            return Dense(self.features, kernel_init=nn.initializers.zeros)(x)
        return Dense(self.features)(x)
