"""Linear models and multilayer perceptrons."""

from __future__ import annotations

from collections.abc import Sequence

import flax.linen as nn

from paramjax._checks import check_count
from paramjax._types import Array
from paramjax.models._dense import Dense
from paramjax.models._hidden import activated, check_dropout, check_widths, dropped
from paramjax.models._module import Module
from paramjax.models._names import initialiser


class Linear(Module):
    """`x W + b`: linear regression, and the logits of logistic regression.

    Attributes:
        features: Number of outputs.
        initialiser: Name of the kernel's first distribution, see `initialiser`; zeros, as a
            convex problem should start.

    Raises:
        TypeError: On the first call, if `features` is not a whole number.
        ValueError: On the first call, if the initialiser is unknown or `features` less than 1.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> params = Linear(1).init(jax.random.key(0), jnp.zeros((1, 3)))
        >>> Linear(1).apply(params, jnp.ones((5, 3))).shape
        (5, 1)
    """

    features: int
    initialiser: str = "zeros"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map [batch, inputs] to [batch, features]."""
        check_count("features", self.features)
        return Dense(self.features, kernel_init=initialiser(self.initialiser))(x)


class MLP(Module):
    """Dense layers; between them batch normalisation, an activation and dropout, as asked for.

    Dropout (Srivastava et al., 2014) draws from `rngs={"dropout": key}`. Batch normalisation (Ioffe
    and Szegedy, 2015) uses the mean and variance of the batch in training, and in evaluation their
    running averages, which training keeps in the collection `batch_stats`.
    `from_linen` makes pure functions of a model with either.

    Attributes:
        features: Width of each layer; the last one is the number of outputs.
        activation: Name of the activation between layers, see `activation`.
        initialiser: Name of the kernels' first distribution, see `initialiser`.
        dropout: Share of the outputs of each hidden layer that training drops, in [0, 1); may be
            traced, as a hyperparameter is.
        batch_norm: Whether each hidden layer is normalised before its activation.
        momentum: Share of the running averages that a step keeps, in [0, 1).

    Raises:
        TypeError: On the first call, if a width is not a whole number.
        ValueError: On the first call, if the activation or the initialiser is unknown, there is no
            layer, or a number is out of range.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> model = MLP((64, 10), activation="relu")
        >>> params = model.init(jax.random.key(0), jnp.zeros((1, 64)))
        >>> model.apply(params, jnp.ones((5, 64))).shape
        (5, 10)
        >>> noisy, rngs = MLP((64, 10), dropout=0.5), {"dropout": jax.random.key(1)}
        >>> noisy.apply(params, jnp.ones((5, 64)), train=True, rngs=rngs).shape
        (5, 10)
    """

    features: Sequence[int]
    activation: str = "relu"
    initialiser: str = "lecun_normal"
    dropout: float = 0.0
    batch_norm: bool = False
    momentum: float = 0.9

    @nn.compact
    def __call__(self, x: Array, *, train: bool = False) -> Array:
        """Map [batch, inputs] to [batch, features[-1]]."""
        check_widths("features", self.features)
        check_dropout(self.dropout)
        start = initialiser(self.initialiser)
        for width in self.features[:-1]:
            x = activated(self, Dense(width, kernel_init=start)(x), train=train)
            x = dropped(self, x, train=train)
        return Dense(self.features[-1], kernel_init=start)(x)


class BatchNormMLP(MLP):
    """An `MLP` with batch normalisation (Ioffe and Szegedy, 2015).

    Attributes:
        batch_norm: True.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> model = BatchNormMLP((16, 10))
        >>> start = model.init(jax.random.key(0), jnp.zeros((1, 64)))
        >>> x = jnp.ones((5, 64))
        >>> logits, state = model.apply(start, x, train=True, mutable=["batch_stats"])
        >>> logits.shape, state["batch_stats"]["BatchNorm_0"]["mean"].shape
        ((5, 10), (16,))
    """

    batch_norm: bool = True
