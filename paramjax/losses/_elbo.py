"""The evidence lower bound of a variational autoencoder, and the bound by importance weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import check_count, check_scalar
from paramjax._types import Array, Key, Params
from paramjax.losses._errors import PerExample

Outputs = tuple[Array, Array, Array]
"""`(outputs [batch, ...], mean [batch, latent], log_variance [batch, latent])`."""


def gaussian_kl(mean: Array, log_variance: Array) -> Array:
    r"""$$\mathrm{KL}\bigl(\mathcal N(\mu, \mathrm{diag}\,\sigma^2)\,\Vert\,\mathcal N(0, I)\bigr)
      = \tfrac12\sum_j \bigl(\mu_j^2 + \sigma_j^2 - 1 - \log\sigma_j^2\bigr)$$
    (Kingma and Welling, 2014, Auto-encoding variational Bayes, appendix B).

    Args:
        mean: $\mu$, [batch, latent].
        log_variance: $\log\sigma^2$, [batch, latent].

    Returns:
        [batch], in nats, from 0.

    Raises:
        ValueError: If the shapes differ or have no axis after the batch.

    Example:
        >>> gaussian_kl(jnp.array([[0.0, 2.0]]), jnp.zeros((1, 2))).tolist()
        [2.0]
    """
    mean, log_variance = jnp.asarray(mean), jnp.asarray(log_variance)
    _check_alike("gaussian_kl", "mean and log_variance", mean, log_variance)
    # expm1 keeps the digits of a variance near 1
    each = jnp.square(mean) + jnp.expm1(log_variance) - log_variance
    return 0.5 * _sums(each)


def bernoulli_log_likelihood(logits: Array, targets: Array) -> Array:
    r"""$$\log p(x_i \mid z_i) = \sum_j \bigl(x_{ij} z_{ij} - \log(1 + e^{z_{ij}})\bigr)$$
    of numbers that are 1 with probability $\sigma(z_{ij})$. For grey values between 0 and 1 it is
    the mean over pictures whose pixels are drawn black or white with these probabilities.

    Args:
        logits: [batch, ...], floating-point.
        targets: The same shape, in [0, 1]. An example with a number outside gives NaN.

    Returns:
        [batch], in nats.

    Raises:
        ValueError: If the shapes differ or have no axis after the batch.

    Example:
        >>> bernoulli_log_likelihood(jnp.zeros((1, 2)), jnp.array([[0, 1]])).tolist()
        [-1.3863]
    """
    logits = jnp.asarray(logits)
    targets = jnp.asarray(targets).astype(logits.dtype)
    _check_alike("bernoulli_log_likelihood", "logits and targets", logits, targets)
    inside = jnp.all((targets >= 0) & (targets <= 1), axis=tuple(range(1, targets.ndim)))
    values = _sums(targets * logits - jax.nn.softplus(logits))
    return jnp.where(inside, values, jnp.nan)


def gaussian_log_likelihood(
    means: Array, targets: Array, log_variance: Array | float = 0.0
) -> Array:
    r"""$$\log p(x_i \mid z_i) = -\tfrac12 \sum_j \Bigl(\frac{(x_{ij} - \mu_{ij})^2}{\sigma^2}
      + \log 2\pi\sigma^2\Bigr)$$

    Args:
        means: $\mu$, [batch, ...].
        targets: The same shape.
        log_variance: $\log\sigma^2$, a number or an array that broadcasts to the targets, given
            or learned.

    Returns:
        [batch], in nats.

    Raises:
        ValueError: If the shapes differ, have no axis after the batch, or the variances do not
            broadcast to them.

    Example:
        >>> gaussian_log_likelihood(jnp.zeros((1, 2)), jnp.zeros((1, 2))).tolist()
        [-1.8379]
    """
    means, targets = jnp.asarray(means), jnp.asarray(targets)
    _check_alike("gaussian_log_likelihood", "means and targets", means, targets)
    log_variance = jnp.asarray(log_variance, jnp.result_type(means, targets))
    if jnp.broadcast_shapes(log_variance.shape, means.shape) != means.shape:
        raise ValueError(
            f"gaussian_log_likelihood: expected variances that broadcast to {means.shape}, got "
            f"{log_variance.shape}"
        )
    log_variance = jnp.broadcast_to(log_variance, means.shape)
    squares = jnp.square(targets - means) * jnp.exp(-log_variance)
    return -0.5 * _sums(squares + log_variance + math.log(2 * math.pi))


def negative_elbo(
    log_likelihood: PerExample = bernoulli_log_likelihood, beta: float | Array = 1.0
) -> Callable[[Outputs, Array], Array]:
    r"""$$\ell_i = -\log p(x_i \mid z_i) + \beta\,\mathrm{KL}\bigl(q(z \mid x_i)\,\Vert\,p(z)\bigr),
      \qquad z_i \sim q(z \mid x_i)$$

    The negative evidence lower bound of Kingma and Welling (2014, eq. 10) with one draw, for a
    Gaussian $q$ and a standard normal $p$. With $\beta \ne 1$ it is the objective of Higgins et
    al. (2017, beta-VAE, eq. 4) and no bound.

    Args:
        log_likelihood: `(outputs, x) -> [batch]`: `bernoulli_log_likelihood`,
            `gaussian_log_likelihood`, or one with a variance:
            `functools.partial(gaussian_log_likelihood, log_variance=-2.0)`.
        beta: The weight of the divergence, from 0, or a traced scalar.

    Returns:
        `((outputs, mean, log_variance), x) -> [batch]`, for `reconstruction` with a `models.VAE`.

    Raises:
        TypeError: If the likelihood is not a function or beta not a number; at the first call, if
            the outputs are not three.
        ValueError: If beta is negative, or, at the first call, shapes do not match.

    Example:
        >>> x, mean, log_variance = jnp.ones((1, 2)), jnp.array([[2.0]]), jnp.zeros((1, 1))
        >>> negative_elbo(beta=0.5)((jnp.full((1, 2), 99.0), mean, log_variance), x).tolist()
        [1.0]
    """
    if not callable(log_likelihood):
        raise TypeError(
            "negative_elbo: log_likelihood: expected a function (outputs, x) -> [batch], got "
            f"{type(log_likelihood).__name__}"
        )
    check_scalar("negative_elbo: beta", beta)

    def per_example(outputs: Outputs, targets: Array) -> Array:
        if not isinstance(outputs, tuple) or len(outputs) != 3:
            raise TypeError(
                "negative_elbo: expected (outputs, mean, log_variance) as models.VAE returns them, "
                f"got {type(outputs).__name__}"
            )
        decoded, mean, log_variance = outputs
        return beta * gaussian_kl(mean, log_variance) - log_likelihood(decoded, targets)

    return per_example


def importance_weighted_bound(
    encode: Callable[[Params, Array], tuple[Array, Array]],
    decode: Callable[[Params, Array], Any],
    log_likelihood: PerExample = bernoulli_log_likelihood,
    *,
    samples: int = 50,
) -> Callable[[Params, Array, Key], Array]:
    r"""$$\log \frac1K \sum_{k=1}^K \frac{p(x_i \mid z_k)\,p(z_k)}{q(z_k \mid x_i)},
      \qquad z_k \sim q(z \mid x_i)$$

    A lower bound of $\log p(x_i)$ in the mean, which rises with K to $\log p(x_i)$ itself; K = 1
    is the evidence lower bound (Burda, Grosse and Salakhutdinov, 2016, Importance weighted
    autoencoders, theorem 1). For training take minus its mean.

    Args:
        encode: `(params, x) -> (mean, log_variance)`, both [batch, latent].
        decode: `(params, z) -> outputs` of the likelihood.
        log_likelihood: `(outputs, x) -> [batch]`.
        samples: K; they are drawn one after the other, so that memory does not grow with K.

    Returns:
        `(params, x, key) -> [batch]`, in nats.

    Raises:
        TypeError: If one of the three is not a function, or samples not a whole number.
        ValueError: If samples is less than 1.

    Example:
        >>> encode = lambda params, x: (x / 2, jnp.full_like(x, jnp.log(0.5)))  # the posterior
        >>> decode = lambda params, z: z
        >>> bound = importance_weighted_bound(encode, decode, gaussian_log_likelihood, samples=2)
        >>> bound(None, jnp.array([[2.0]]), jax.random.key(0)).tolist()  # log N(2; 0, 2)
        [-2.2655]
    """
    functions = {"encode": encode, "decode": decode, "log_likelihood": log_likelihood}
    for name, function in functions.items():
        if not callable(function):
            raise TypeError(
                f"importance_weighted_bound: {name}: expected a function, got "
                f"{type(function).__name__}"
            )
    check_count("importance_weighted_bound: samples", samples)

    def bound(params: Params, x: Array, key: Key) -> Array:
        mean, log_variance = map(jnp.asarray, encode(params, x))

        def log_weight(key: Key) -> Array:
            noise = jax.random.normal(key, mean.shape, mean.dtype)
            z = mean + jnp.exp(0.5 * log_variance) * noise
            # log p(z) - log q(z | x), in which log 2 pi cancels
            prior = 0.5 * _sums(jnp.square(noise) + log_variance - jnp.square(z))
            return log_likelihood(decode(params, z), x) + prior

        log_weights = jax.lax.map(log_weight, jax.random.split(key, samples))
        return jax.nn.logsumexp(log_weights, axis=0) - math.log(samples)

    return bound


def _sums(values: Array) -> Array:
    """The sum over all axes but the batch's."""
    return values.sum(axis=tuple(range(1, values.ndim)))


def _check_alike(what: str, names: str, a: Array, b: Array) -> None:
    """Raise unless two arrays have one shape [batch, ...]."""
    if a.shape != b.shape or a.ndim < 2:
        raise ValueError(
            f"{what}: expected {names} of one shape [batch, ...], got {a.shape} and {b.shape}; "
            "reshape one of them"
        )
