"""Predictions of a network whose outputs are normal: class probabilities, values with errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from scipy import special

from paramjax._checks import check_count, check_key
from paramjax._format import number
from paramjax._types import Key
from paramjax.estimate._estimate import Interval, check_level

Link = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""`(mean [batch, k], covariance [batch, k, k]) -> log probabilities`, of normal logits."""


_NUMBERS = 2**22
"""Most logits that are drawn at a time: 32 MiB."""


class ClassPrediction(NamedTuple):
    """Probabilities of classes.

    Attributes:
        probabilities: [batch, classes]; of a network with one logit that of class 1, [batch].
        logits: What has these probabilities by softmax, or by the sigmoid: the metrics take it.
        mean: Of the network's outputs, [batch, k].
        covariance: Of the network's outputs, [batch, k, k].
    """

    probabilities: np.ndarray
    logits: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray

    def __repr__(self) -> str:
        """Its sizes."""
        rows, classes = len(self.mean), max(2, self.mean.shape[-1])
        return f"<ClassPrediction: {rows} row{'s' * (rows != 1)}, {classes} classes>"


class ValuePrediction(NamedTuple):
    """Values with their uncertainty.

    Attributes:
        mean: [batch, outputs].
        spread: Standard deviation of the mean, from the uncertain parameters, [batch, outputs].
        noise: Standard deviation of a target around its mean.
    """

    mean: np.ndarray
    spread: np.ndarray
    noise: float

    def __repr__(self) -> str:
        """Its sizes, and the noise."""
        rows, outputs = self.mean.shape
        plural = ["s" * (count != 1) for count in (rows, outputs)]
        return (
            f"<ValuePrediction: {rows} row{plural[0]}, {outputs} output{plural[1]}, noise "
            f"{number(self.noise)}>"
        )

    @property
    def deviation(self) -> np.ndarray:
        """Standard deviation of a new target, [batch, outputs]."""
        return np.asarray(np.hypot(self.spread, self.noise))

    def interval(self, level: float = 0.95) -> Interval:
        """Lower and upper ends of a new target.

        Args:
            level: Of confidence, in (0, 1).

        Returns:
            Both ends [batch, outputs].

        Raises:
            ValueError: If the level lies outside (0, 1).
        """
        half = special.ndtri(0.5 + check_level(level) / 2) * self.deviation
        return Interval(self.mean - half, self.mean + half)


def class_prediction(
    mean: np.ndarray, covariance: np.ndarray, link: Link | None
) -> ClassPrediction:
    """By the link, of a single logit as of the logits (0, f)."""
    link = link or monte_carlo(jax.random.key(0))
    if mean.shape[1] > 1:
        logits = link(mean, covariance)
        return ClassPrediction(np.exp(logits), logits, mean, covariance)
    both = link(np.pad(mean, ((0, 0), (1, 0))), np.pad(covariance, ((0, 0), (1, 0), (1, 0))))
    return ClassPrediction(np.exp(both[:, 1]), both[:, 1] - both[:, 0], mean, covariance)


def mean_field(mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    r"""Class probabilities of normal logits, by the probit approximation of each pair of them.

    $$p_k \propto \Bigl(1 + \sum_{j \ne k} e^{-(\mu_k - \mu_j) / \sqrt{1 + \pi v_{kj} / 8}}
    \Bigr)^{-1}$$
    with $v_{kj}$ the variance of the difference of logits k and j: MacKay's approximation (1992,
    The evidence framework applied to classification networks, eq. 10) for two classes, and of more
    the mean field of Lu, Ie and Sha (2020, Uncertainty estimation with infinitesimal jackknife).
    It is within 0.01 for two classes, and too modest for many: for ten the largest probability
    comes out 0.06 too low where the logits have a standard deviation of two.

    Args:
        mean: [batch, classes].
        covariance: [batch, classes, classes].

    Returns:
        Log probabilities [batch, classes].

    Example:
        >>> certain, doubtful = np.zeros((1, 2, 2)), 100 * np.eye(2)[None]
        >>> mean = np.array([[0.0, 2.0]])
        >>> [np.exp(mean_field(mean, each)).round(2).tolist() for each in (certain, doubtful)]
        [[[0.12, 0.88]], [[0.44, 0.56]]]
    """
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    apart = variance[:, :, None] + variance[:, None] - 2 * covariance
    scale = np.sqrt(1 + math.pi / 8 * np.maximum(apart, 0))
    pairs = (mean[:, None, :] - mean[:, :, None]) / scale  # 0 on the diagonal: the 1 of the sum
    each = -special.logsumexp(pairs, axis=2)
    return _normalised(each)


def probit(mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    r"""Class probabilities of normal logits, each divided by its own uncertainty.

    $$p = \mathrm{softmax}\bigl(\mu_k / \sqrt{1 + \pi \Sigma_{kk} / 8}\bigr)$$
    the extended probit approximation (Gibbs, 1997; Daxberger et al., 2021, Laplace redux, section
    3.4), which leaves out the covariance of the logits.

    Args:
        mean: [batch, classes].
        covariance: [batch, classes, classes].

    Returns:
        Log probabilities [batch, classes].

    Example:
        >>> np.exp(probit(np.zeros((1, 2)), np.eye(2)[None])).tolist()
        [[0.5, 0.5]]
    """
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    return _normalised(mean / np.sqrt(1 + math.pi / 8 * variance))


def monte_carlo(key: Key, samples: int = 512) -> Link:
    r"""Class probabilities of normal logits, by draws.

    $$p = \frac 1 S \sum_{s=1}^S \mathrm{softmax}(f_s), \quad f_s \sim N(\mu, \Sigma)$$
    The draws come in pairs of opposite sign, and have the covariance of the distribution itself
    (antithetic variates and moment matching; Owen, 2013, Monte Carlo theory, methods and examples,
    sections 8.2 and 8.9), which for ten classes takes a third of the error.

    Args:
        key: A typed key; every example has the same draws of the standard normal.
        samples: S, positive, of which an odd number becomes the next even one. With the 512 of the
            default, probabilities of ten classes are within about 0.01.

    Returns:
        A link for `Laplace.predict`. Of k classes it takes k^3 operations an example.

    Raises:
        TypeError: If the key is a legacy one, or `samples` is not a whole number.
        ValueError: If `samples` is less than 1.

    Example:
        >>> link = monte_carlo(jax.random.key(0))
        >>> np.exp(link(np.zeros((1, 2)), np.eye(2)[None])).round(3).tolist()
        [[0.5, 0.5]]
    """
    check_key(key)
    pairs = (check_count("samples", samples) + 1) // 2

    def link(mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
        drawn = _standard_draws(key, pairs, mean.shape[1])
        rows = max(1, _NUMBERS // drawn.size)
        starts = range(0, len(mean), rows)
        parts = [_averaged(mean[i : i + rows], covariance[i : i + rows], drawn) for i in starts]
        return np.concatenate(parts)

    return link


def _standard_draws(key: Key, pairs: int, classes: int) -> np.ndarray:
    """Standard normal draws [2 pairs, classes] of mean 0; if they suffice, of unit covariance."""
    half = np.asarray(jax.random.normal(key, (pairs, classes)), np.float64)
    if pairs > classes:
        half = np.linalg.solve(np.linalg.cholesky(half.T @ half / pairs), half.T).T
    return np.concatenate([half, -half])


def _averaged(mean: np.ndarray, covariance: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Log of the mean probabilities [rows, classes] over draws."""
    # by eigenvectors, for a covariance may be singular, which has no Cholesky factor
    variance, axes = np.linalg.eigh(covariance)
    root = axes * np.sqrt(np.maximum(variance, 0))[:, None]
    each = mean[:, None] + drawn @ root.transpose(0, 2, 1)
    return np.asarray(special.logsumexp(_normalised(each), axis=1) - math.log(len(drawn)))


def _normalised(logits: np.ndarray) -> np.ndarray:
    """Log probabilities."""
    return np.asarray(logits - special.logsumexp(logits, axis=-1, keepdims=True))
