"""What the outputs of a network say of the targets: class probabilities, or a mean with noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from paramjax._checks import check_scalar, describe
from paramjax._types import Array
from paramjax.estimate.networks._predictions import (
    ClassPrediction,
    Link,
    ValuePrediction,
    class_prediction,
)


class Likelihood(Protocol):
    """The distribution of the targets, given the outputs [batch, k] of a network.

    Attributes:
        noise: A known standard deviation of the targets; None for one that is estimated.
        noisy: Whether there is a standard deviation.
    """

    @property
    def noise(self) -> float | None: ...

    @property
    def noisy(self) -> bool: ...

    def targets(self, y: Any, outputs: int) -> np.ndarray:
        """The targets [rows, ...], checked."""

    def fit(self, outputs: Array, y: Array) -> Array:
        """Log probability of each target, [batch]; of noise minus half the squared distance."""

    def root(self, outputs: Array) -> Array:
        """R [batch, k, k] with R R^T the Hessian of minus `fit`, by the outputs."""

    def predictive(
        self, mean: np.ndarray, covariance: np.ndarray, noise: float, link: Link | None
    ) -> Any:
        """The distribution of new targets, of outputs that are themselves normal."""

    def log_probability(self, prediction: Any, y: np.ndarray) -> np.ndarray:
        """Of targets, [rows], by their predictive distribution."""


@dataclass(frozen=True)
class Categorical:
    """Classes, of logits [batch, classes], or of one logit [batch] or [batch, 1]."""

    noise: None = None
    noisy = False

    def targets(self, y: Any, outputs: int) -> np.ndarray:
        """Whole numbers from 0 to classes - 1."""
        classes, found = max(outputs, 2), np.asarray(y)
        if found.ndim != 1 or found.dtype.kind not in "iub":
            raise TypeError(f"data: expected classes y, int[rows], got {describe(found)}")
        wrong = found[(found < 0) | (found >= classes)]
        if wrong.size:
            raise ValueError(f"data: expected classes y from 0 to {classes - 1}, got {wrong[0]}")
        return np.asarray(found, np.int32)

    def fit(self, outputs: Array, y: Array) -> Array:
        """Log probability of the true class."""
        if outputs.shape[1] == 1:
            return jax.nn.log_sigmoid(jnp.where(y > 0, outputs[:, 0], -outputs[:, 0]))
        each = jax.nn.log_softmax(outputs)
        return jnp.take_along_axis(each, y[:, None], axis=1)[:, 0]

    def root(self, outputs: Array) -> Array:
        """Of diag(p) - p p^T, which is its own square root's product: (I - p 1^T) diag(p)^1/2."""
        if outputs.shape[1] == 1:
            chance = jax.nn.sigmoid(outputs)
            return jnp.sqrt(chance * (1 - chance))[..., None]
        chance = jax.nn.softmax(outputs)
        root = jnp.sqrt(chance)
        return jnp.eye(chance.shape[1], dtype=root.dtype)[None] * root[:, None] - (
            chance[:, :, None] * root[:, None]
        )

    def predictive(
        self, mean: np.ndarray, covariance: np.ndarray, noise: float, link: Link | None
    ) -> ClassPrediction:
        """Probabilities, of logits that are normal."""
        return class_prediction(mean, covariance, link)

    def log_probability(self, prediction: ClassPrediction, y: np.ndarray) -> np.ndarray:
        """Logarithm of the probability of the true class."""
        logits = prediction.logits
        if logits.ndim == 1:
            return np.asarray(special.log_expit(np.where(y > 0, logits, -logits)))
        each = special.log_softmax(logits, axis=1)
        return np.asarray(np.take_along_axis(each, y[:, None], axis=1)[:, 0])


@dataclass(frozen=True)
class Gaussian:
    """Real targets with normal noise of one standard deviation."""

    noise: float | None = None
    noisy = True

    def targets(self, y: Any, outputs: int) -> np.ndarray:
        """Finite numbers [rows, outputs]."""
        values = np.asarray(y, np.float64)
        wide = values.reshape(len(values), -1) if values.ndim else values
        if wide.ndim != 2 or wide.shape[1] != outputs:
            raise ValueError(
                f"data: expected y [rows, {outputs}] as the outputs, got {values.shape}"
            )
        if not np.isfinite(wide).all():
            row = int(np.argmin(np.isfinite(wide).all(axis=1)))
            raise ValueError(f"data: expected finite targets, got {wide[row]} in row {row} of y")
        return np.asarray(wide)

    def fit(self, outputs: Array, y: Array) -> Array:
        """Minus half the squared distance."""
        return -0.5 * jnp.square(outputs - y).sum(axis=1)

    def root(self, outputs: Array) -> Array:
        """The identity: the noise divides it later."""
        size = outputs.shape[1]
        return jnp.broadcast_to(jnp.eye(size, dtype=outputs.dtype), (len(outputs), size, size))

    def predictive(
        self, mean: np.ndarray, covariance: np.ndarray, noise: float, link: Link | None
    ) -> ValuePrediction:
        """Mean and standard deviation."""
        if link is not None:
            raise ValueError("link: only classes have one, leave it out for a Gaussian likelihood")
        spread = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        return ValuePrediction(mean, spread, noise)

    def log_probability(self, prediction: ValuePrediction, y: np.ndarray) -> np.ndarray:
        """Log density of the normal distribution of the values, summed over the outputs."""
        deviation = prediction.deviation
        each = -0.5 * np.square((y - prediction.mean) / deviation) - np.log(deviation)
        return np.asarray((each - 0.5 * np.log(2 * np.pi)).sum(axis=1))


def categorical() -> Likelihood:
    r"""Classes, by the softmax of the outputs, or by the sigmoid of a single one.

    $$\log p(y \mid f) = f_y - \log \sum_k e^{f_k}$$

    Returns:
        A likelihood for `laplace`; the targets are whole numbers from 0 to classes - 1, [rows].

    Example:
        >>> categorical().fit(jnp.zeros((1, 4)), jnp.array([2])).tolist()
        [-1.3862943649291992]
    """
    return Categorical()


def gaussian(noise: float | None = None) -> Likelihood:
    r"""Real targets with normal noise: $y \sim N(f, \sigma^2)$.

    Args:
        noise: The standard deviation $\sigma$, positive; None estimates it with the precision of
            the prior, by the marginal likelihood.

    Returns:
        A likelihood for `laplace`; the targets are [rows] or [rows, outputs].

    Raises:
        TypeError: If `noise` is not a number.
        ValueError: If it is not positive and finite.

    Example:
        >>> gaussian(0.1)
        Gaussian(noise=0.1)
    """
    if noise is not None:
        check_scalar("noise", noise)
        if noise <= 0:
            raise ValueError(f"noise: expected a positive standard deviation, got {noise}")
    return Gaussian(None if noise is None else float(noise))
