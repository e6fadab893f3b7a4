"""Probabilities of normal logits against their integrals."""

import jax
import numpy as np
import pytest
from scipy.special import expit

from paramjax.estimate import ValuePrediction, mean_field, monte_carlo, probit


def integral(mean, variance):
    """E[sigmoid(f)] by Gauss-Hermite quadrature of 60 points."""
    points, weights = np.polynomial.hermite_e.hermegauss(60)
    return (expit(mean + np.sqrt(variance) * points) * weights).sum() / np.sqrt(2 * np.pi)


@pytest.mark.parametrize("spread", [0.1, 1.0, 4.0])
def test_two_classes_are_near_the_integral(spread):
    """MacKay's approximation is within 0.02 of it; a thousand draws within four errors."""
    mean = np.array([[0.3, 1.7]])
    covariance = spread**2 * np.array([[[1.0, 0.4], [0.4, 2.0]]])
    truth = integral(1.4, spread**2 * (1 + 2 - 0.8))
    assert np.exp(mean_field(mean, covariance))[0, 1] == pytest.approx(truth, abs=0.02)
    drawn = np.exp(monte_carlo(jax.random.key(0), 4000)(mean, covariance))
    assert drawn[0, 1] == pytest.approx(truth, abs=4 * 0.5 / np.sqrt(4000))
    np.testing.assert_allclose(drawn.sum(axis=1), 1)


def test_what_all_logits_share_changes_nothing_and_certainty_is_the_softmax():
    mean = np.array([[0.0, 1.0, 3.0], [2.0, 2.0, 2.0]])
    softmax = np.exp(mean) / np.exp(mean).sum(axis=1, keepdims=True)
    shared = 9 * np.ones((2, 3, 3))
    np.testing.assert_allclose(np.exp(mean_field(mean, shared)), softmax)
    none = np.zeros((2, 3, 3))
    for link in (mean_field, probit, monte_carlo(jax.random.key(0), 10)):
        np.testing.assert_allclose(np.exp(link(mean, none)), softmax)
    doubtful = np.exp(mean_field(mean, 100 * np.eye(3)[None].repeat(2, axis=0)))
    assert softmax[0, 2] > doubtful[0, 2] > 1 / 3
    np.testing.assert_allclose(doubtful[1], 1 / 3)


def test_an_interval_of_values_holds_noise_and_spread():
    found = ValuePrediction(np.zeros((1, 1)), np.full((1, 1), 3.0), 4.0)
    assert found.deviation.tolist() == [[5.0]]
    low, high = found.interval(0.95)
    np.testing.assert_allclose([low[0, 0], high[0, 0]], [-9.79982, 9.79982], rtol=1e-5)
    with pytest.raises(ValueError, match="level"):
        found.interval(1.0)
