import sys

import numpy as np
import pytest
from refusing import assert_refused
from scipy.optimize import brentq
from scipy.stats import norm

from paramjax.step.grads import epsilon, noise_multiplier_for

dp_accounting = pytest.importorskip("dp_accounting")
from dp_accounting.rdp import RdpAccountant


@pytest.mark.parametrize(("noise", "steps"), [(1.0, 1), (3.0, 10)])
def test_without_sampling_it_is_the_gaussian_mechanism(noise, steps):
    """Balle and Wang (2018, theorem 8) for the deviation noise / sqrt(steps)."""
    deviation = noise / np.sqrt(steps)

    def delta(e):
        first = norm.cdf(1 / (2 * deviation) - e * deviation)
        return first - np.exp(e) * norm.cdf(-1 / (2 * deviation) - e * deviation)

    exact = brentq(lambda e: delta(e) - 1e-5, 0, 50)
    ours = epsilon(noise_multiplier=noise, sampling_rate=1.0, steps=steps, delta=1e-5)
    assert ours == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize(
    ("rows", "batch_size", "noise", "epochs", "delta", "expected"),
    [(60_000, 150, 1.3, 15, 1e-5, 0.7242234), (100_000, 100, 1.0, 30, 1e-7, 1.4154988)],
)
def test_published_figures_of_renyi_accounting(rows, batch_size, noise, epochs, delta, expected):
    """The figures of tensorflow_privacy, compute_dp_sgd_privacy_lib_test.py."""
    run = {"sampling_rate": batch_size / rows, "steps": epochs * rows // batch_size, "delta": delta}
    spent = epsilon(noise_multiplier=noise, **run, accountant=RdpAccountant)
    assert spent == pytest.approx(expected, abs=2e-6)


def test_published_figures_of_both_accountants():
    """The statement of tensorflow_privacy for 10,000 rows, 64 a step, 5 epochs: with its
    microbatching one row moves the sum by twice the norm, so 2.0 there is 1.0 here."""
    run = {"noise_multiplier": 1.0, "sampling_rate": 64 / 10_000, "steps": 782, "delta": 1e-6}
    assert epsilon(**run, accountant=RdpAccountant) == pytest.approx(1.616, abs=5e-4)
    assert epsilon(**run) == pytest.approx(1.199, abs=5e-4)
    # Abadi et al. (2016, section 3.2) state 1.26 for q = 0.01, sigma = 4, T = 10,000
    run = {"noise_multiplier": 4.0, "sampling_rate": 0.01, "steps": 10_000, "delta": 1e-5}
    assert 0.9 < epsilon(**run) < epsilon(**run, accountant=RdpAccountant) < 1.26


@pytest.mark.parametrize(
    "accountant",
    [pytest.param(None, marks=pytest.mark.slow), RdpAccountant],
    ids=["default", "renyi"],
)
def test_the_least_noise_is_enough_and_less_is_not(accountant):
    run = {"sampling_rate": 0.02, "steps": 100, "delta": 1e-5, "accountant": accountant}
    noise = noise_multiplier_for(epsilon=0.5, **run)
    assert epsilon(noise_multiplier=noise, **run) <= 0.5
    assert epsilon(noise_multiplier=noise / 1.0015, **run) > 0.5


def test_what_is_refused():
    run = {"sampling_rate": 0.1, "steps": 10, "delta": 1e-5}
    assert_refused(
        lambda **change: epsilon(**{"noise_multiplier": 1.0, **run, **change}),
        ({"noise_multiplier": 0.0}, ValueError, "noise_multiplier: expected a number above 0"),
        ({"sampling_rate": 1.2}, ValueError, "sampling_rate: expected a number from 0, to 1"),
        ({"sampling_rate": 0.0}, ValueError, "sampling_rate: expected a number above 0"),
        ({"steps": 0}, ValueError, "steps: expected a whole number from 1"),
        ({"steps": 1.5}, TypeError, "steps: expected a whole number, got float"),
        ({"delta": 0.0}, ValueError, "delta: expected a number above 0"),
        ({"delta": 1.0}, ValueError, "delta: expected a number below 1, got 1"),
    )
    with pytest.raises(ValueError, match="epsilon: expected a number above 0"):
        noise_multiplier_for(epsilon=0.0, **run)
    run = {"sampling_rate": 1.0, "steps": 10, "delta": 1e-12, "accountant": RdpAccountant}
    with pytest.raises(ValueError, match="1e-09 is below what this accountant can show"):
        noise_multiplier_for(epsilon=1e-9, **run)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    with pytest.raises(ImportError, match=r'pip install "paramjax\[private\]"'):
        epsilon(noise_multiplier=1.0, sampling_rate=0.1, steps=1, delta=1e-5)
