import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from paramjax.losses import (
    bernoulli_log_likelihood,
    gaussian_kl,
    gaussian_log_likelihood,
    importance_weighted_bound,
    negative_elbo,
    reconstruction,
)

RNG = np.random.default_rng(0)
MEAN, LOG_VARIANCE = RNG.normal(size=(2, 4, 3))
X = RNG.normal(size=(50, 5)) @ RNG.normal(size=(5, 5)) + RNG.normal(size=5)
"""Correlated rows away from 0."""


def principal(latent):
    """Probabilistic principal components: W, mean and noise variance (Tipping and Bishop, 1999)."""
    centre = X.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(X.T, bias=True))
    values, vectors = values[::-1], vectors[:, ::-1]
    noise = values[latent:].mean()  # eq. 8
    weights = vectors[:, :latent] * np.sqrt(values[:latent] - noise)  # eq. 7 without rotation
    return weights, centre, noise


def linear_vae(weights, centre, noise):
    """Encoder and decoder with the exact posterior, and the exact log likelihood of each row."""
    inverse = np.linalg.inv(weights.T @ weights + noise * np.eye(weights.shape[1]))
    log_variance = np.log(noise * np.diag(inverse))

    def encode(params, x):
        return (x - centre[None]) @ (weights @ inverse), jnp.broadcast_to(log_variance, (len(x), 2))

    covariance = weights @ weights.T + noise * np.eye(len(weights))
    exact = stats.multivariate_normal(centre, covariance).logpdf(X)
    return encode, lambda params, z: z @ weights.T + centre[None], exact


def test_the_divergence_is_that_of_the_closed_form_and_of_draws():
    draws = RNG.normal(size=(200_000, 4, 3)) * np.exp(LOG_VARIANCE / 2) + MEAN
    q = stats.norm(MEAN, np.exp(LOG_VARIANCE / 2)).logpdf(draws)
    ratios = (q - stats.norm.logpdf(draws)).sum(axis=2)
    error = ratios.std(axis=0) / math.sqrt(len(ratios))
    ours = np.asarray(gaussian_kl(MEAN, LOG_VARIANCE))
    assert np.all(np.abs(ours - ratios.mean(axis=0)) < 4 * error)
    # near the prior the terms cancel; the series is log_variance^2 / 4
    tiny = jnp.full((1, 1), 1e-3)
    np.testing.assert_allclose(gaussian_kl(0 * tiny, tiny), 2.5e-7, rtol=2e-3)


def test_likelihoods_are_scipys():
    x = RNG.uniform(size=(4, 3))
    p = 1 / (1 + np.exp(-MEAN))
    expected = (x * np.log(p) + (1 - x) * np.log1p(-p)).sum(axis=1)
    np.testing.assert_allclose(bernoulli_log_likelihood(MEAN, x), expected, rtol=1e-5)
    ones = (x > 0.5).astype(int)
    expected = stats.bernoulli(p).logpmf(ones).sum(axis=1)
    np.testing.assert_allclose(bernoulli_log_likelihood(MEAN, ones), expected, rtol=1e-5)
    expected = stats.norm(MEAN, np.exp(LOG_VARIANCE / 2)).logpdf(x).sum(axis=1)
    ours = gaussian_log_likelihood(MEAN, x, LOG_VARIANCE)
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_logits_far_out_stay_finite_and_inputs_outside_give_nan():
    logits = jnp.array([[1e4, -1e4], [1e4, 0.0], [0.0, 0.0], [0.0, 0.0]])
    x = jnp.array([[1.0, 0.0], [0.0, 0.0], [1.1, 0.0], [0.5, -0.1]])
    values = bernoulli_log_likelihood(logits, x)
    np.testing.assert_allclose(values[:2], [0.0, -1e4 - math.log(2)], rtol=1e-6)
    assert np.isnan(values[2:]).all()
    half = bernoulli_log_likelihood(logits[:1].astype(jnp.float16), x[:1])
    assert half.dtype == jnp.float16
    assert half[0] == 0


def test_the_exact_posterior_leaves_no_gap():
    encode, decode, exact = linear_vae(*principal(2))
    noise = principal(2)[2]
    likelihood = functools.partial(gaussian_log_likelihood, log_variance=math.log(noise))
    for samples in (1, 3):  # each weight is p(x) itself, whatever is drawn
        bound = importance_weighted_bound(encode, decode, likelihood, samples=samples)
        ours = jax.jit(bound)(None, X, jax.random.key(samples))
        np.testing.assert_allclose(ours, exact, rtol=1e-4)
    # the maximum of the likelihood over W and the noise (Tipping and Bishop, 1999, eq. 14)
    values = np.linalg.eigvalsh(np.cov(X.T, bias=True))[::-1]
    terms = 5 * math.log(2 * math.pi) + np.log(values[:2]).sum() + 3 * math.log(noise) + 5
    np.testing.assert_allclose(exact.mean(), -terms / 2, rtol=1e-10)


def test_the_bound_is_the_elbo_for_one_draw_and_rises_with_draws():
    encode, decode, exact = linear_vae(*principal(2))
    likelihood = functools.partial(gaussian_log_likelihood, log_variance=math.log(principal(2)[2]))

    def wide(params, x):  # a posterior with twice the deviation leaves a gap
        mean, log_variance = encode(params, x)
        return mean, log_variance + 2 * math.log(2)

    mean, log_variance = wide(None, X)
    z = np.sqrt(np.exp(log_variance[0])) * RNG.normal(size=(400, len(X), 2)) + mean
    outputs = z @ principal(2)[0].T + principal(2)[1]
    loss = lambda outputs: negative_elbo(likelihood)((outputs, mean, log_variance), X)
    elbo = -jax.jit(jax.vmap(loss))(jnp.asarray(outputs)).mean()
    bounds = [
        np.mean(
            jax.jit(importance_weighted_bound(wide, decode, likelihood, samples=n))(None, X, key)
        )
        for n, key in ((1, jax.random.key(0)), (5, jax.random.key(1)), (500, jax.random.key(2)))
    ]
    # KL(q || p) of two Gaussians with variances 4 and 1 in two dimensions: 2 (3/2 - log 2)
    gap = 3 - 2 * math.log(2)
    np.testing.assert_allclose(elbo, exact.mean() - gap, atol=0.1)  # 20,000 draws of deviation 4
    assert bounds[0] < bounds[1] < bounds[2] < exact.mean() + 0.1
    np.testing.assert_allclose(bounds[0], elbo, atol=1.5)  # 50 draws
    np.testing.assert_allclose(bounds[2], exact.mean(), atol=0.1)


def test_beta_weights_the_divergence_and_is_traced():
    outputs = MEAN, MEAN, LOG_VARIANCE
    loss = lambda beta: negative_elbo(gaussian_log_likelihood, beta)(outputs, MEAN)
    none, half, one = jax.vmap(loss)(jnp.array([0.0, 0.5, 1.0]))
    np.testing.assert_allclose(none, 1.5 * math.log(2 * math.pi), rtol=1e-6)
    np.testing.assert_allclose(one - none, gaussian_kl(MEAN, LOG_VARIANCE), rtol=1e-5)
    np.testing.assert_allclose(half, (none + one) / 2, rtol=1e-6)


def test_reconstruction_is_of_x_itself_and_weighted():
    apply = lambda w, x, key: (w * x, x, 0 * x)
    loss_fn = reconstruction(apply, negative_elbo(gaussian_log_likelihood, 0.0), keyed=True)
    x, weight = jnp.array([[1.0], [2.0], [30.0]]), jnp.array([1.0, 1.0, 0.0])
    loss, _ = loss_fn(0.0, {"x": x, "y": x[:, 0], "weight": weight}, None)
    np.testing.assert_allclose(loss, 0.5 * (math.log(2 * math.pi) + 2.5), rtol=1e-6)
    np.testing.assert_allclose(loss_fn(0.0, x[:2], None)[0], loss, rtol=1e-6)
    with pytest.raises(TypeError, match="got a dict with 'inputs'; name the inputs x"):
        loss_fn(0.0, {"inputs": x}, None)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: gaussian_kl(MEAN, MEAN[:1]), ValueError, r"got \(4, 3\) and \(1, 3\)"),
        (lambda: gaussian_kl(MEAN[:, 0], MEAN[:, 0]), ValueError, "one shape"),
        (lambda: bernoulli_log_likelihood(MEAN, MEAN[0]), ValueError, "reshape one of them"),
        (lambda: gaussian_log_likelihood(MEAN, MEAN.T), ValueError, "means and targets"),
        (
            lambda: gaussian_log_likelihood(MEAN, MEAN, np.zeros((2, 4, 3))),
            ValueError,
            r"broadcast to \(4, 3\)",
        ),
        (lambda: negative_elbo("bernoulli"), TypeError, "expected a function .* got str"),
        (lambda: negative_elbo(beta=-1.0), ValueError, "beta: expected a number from 0"),
        (lambda: negative_elbo()(MEAN, MEAN), TypeError, "as models.VAE returns them"),
        (lambda: importance_weighted_bound(None, None), TypeError, "encode: expected a function"),
        (
            lambda: importance_weighted_bound(abs, abs, samples=0),
            ValueError,
            "samples: expected a whole number from 1",
        ),
    ],
)
def test_bad_arguments_say_what_is_expected(call, error, match):
    with pytest.raises(error, match=match):
        call()
