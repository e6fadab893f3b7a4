"""Probabilities of normal logits against their integrals."""

import jax
import numpy as np
import pytest
from scipy.special import expit, softmax

from paramjax.estimate import ValuePrediction, mean_field, monte_carlo, probit


def integral(mean, variance):
    """E[sigmoid(f)] by Gauss-Hermite quadrature of 60 points."""
    points, weights = np.polynomial.hermite_e.hermegauss(60)
    return (expit(mean + np.sqrt(variance) * points) * weights).sum() / np.sqrt(2 * np.pi)


@pytest.mark.parametrize("spread", [0.1, 1.0, 4.0])
def test_two_classes_are_near_the_integral(spread):
    """MacKay's approximation is within 0.02 of it, the draws are within 0.01."""
    mean = np.array([[0.3, 1.7]])
    covariance = spread**2 * np.array([[[1.0, 0.4], [0.4, 2.0]]])
    truth = integral(1.4, spread**2 * (1 + 2 - 0.8))
    assert np.exp(mean_field(mean, covariance))[0, 1] == pytest.approx(truth, abs=0.02)
    drawn = np.exp(monte_carlo(jax.random.key(0))(mean, covariance))
    assert drawn[0, 1] == pytest.approx(truth, abs=0.01)
    np.testing.assert_allclose(drawn.sum(axis=1), 1)


def test_what_all_logits_share_changes_nothing_and_certainty_is_the_softmax():
    mean = np.array([[0.0, 1.0, 3.0], [2.0, 2.0, 2.0]])
    certain = softmax(mean, axis=1)
    shared = 9 * np.ones((2, 3, 3))
    np.testing.assert_allclose(np.exp(mean_field(mean, shared)), certain)
    none = np.zeros((2, 3, 3))
    for link in (mean_field, probit, monte_carlo(jax.random.key(0), 10)):
        np.testing.assert_allclose(np.exp(link(mean, none)), certain)
    doubtful = np.exp(mean_field(mean, 100 * np.eye(3)[None].repeat(2, axis=0)))
    assert certain[0, 2] > doubtful[0, 2] > 1 / 3
    np.testing.assert_allclose(doubtful[1], 1 / 3)


def test_draws_are_those_of_the_distribution_and_few_are_taken_as_they_come():
    """Ten classes against the mean of 60,000 draws of numpy, whose own error is 0.002."""
    rng = np.random.default_rng(1)
    mean, half = 2 * rng.normal(size=(2, 10)), rng.normal(size=(2, 10, 10))
    covariance = half @ half.transpose(0, 2, 1) / 3
    truth = [
        softmax(rng.multivariate_normal(own, around, 60_000), axis=1).mean(axis=0)
        for own, around in zip(mean, covariance, strict=True)
    ]
    found = np.exp(monte_carlo(jax.random.key(3))(mean, covariance))
    np.testing.assert_allclose(found, truth, atol=0.015)
    few = np.exp(monte_carlo(jax.random.key(3), 3)(mean, covariance))
    np.testing.assert_allclose(few.sum(axis=1), 1)
    with pytest.raises(ValueError, match="samples: expected"):
        monte_carlo(jax.random.key(0), 0)


def test_an_interval_of_values_holds_noise_and_spread():
    found = ValuePrediction(np.zeros((1, 1)), np.full((1, 1), 3.0), 4.0)
    assert found.deviation.tolist() == [[5.0]]
    low, high = found.interval(0.95)
    np.testing.assert_allclose([low[0, 0], high[0, 0]], [-9.79982, 9.79982], rtol=1e-5)
    with pytest.raises(ValueError, match="level"):
        found.interval(1.0)
