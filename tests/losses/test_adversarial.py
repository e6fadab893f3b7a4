import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

import paramjax as pj
from paramjax.losses import (
    adversarial,
    gradient_penalty,
    hinge_pair,
    least_squares_pair,
    minimax_pair,
    nonsaturating_pair,
    wasserstein_pair,
)

GRID = np.linspace(-12, 12, 4001)
P, Q = stats.norm(1.0, 1.0), stats.norm(-0.5, 1.5)
REAL, FAKE = np.array([[2.0, -1.0, 0.0], [0.5, 3.0, -0.3]])


def expected_loss(pair, logits):
    """The discriminator's loss over all real rows from P and fakes from Q, by quadrature."""
    zeros = jnp.zeros(len(GRID))
    at_zero = pair.discriminator(zeros, zeros)  # what the other argument adds
    real = pair.discriminator(logits, zeros) - at_zero / 2
    fake = pair.discriminator(zeros, logits) - at_zero / 2
    width = GRID[1] - GRID[0]
    return jnp.sum(P.pdf(GRID) * real + Q.pdf(GRID) * fake) * width


@pytest.mark.parametrize("pair", [minimax_pair, nonsaturating_pair, least_squares_pair])
def test_the_best_discriminator_of_two_known_gaussians(pair):
    p, q = P.pdf(GRID), Q.pdf(GRID)
    # D = p / (p + q) (Goodfellow et al., 2014, proposition 1), of which the logit is log p / q;
    # for least squares D itself (Mao et al., 2017, eq. 11)
    best = p / (p + q) if pair is least_squares_pair else P.logpdf(GRID) - Q.logpdf(GRID)
    loss, slopes = jax.value_and_grad(lambda z: expected_loss(pair, z))(jnp.array(best))
    np.testing.assert_allclose(slopes, 0, atol=1e-8)
    width = GRID[1] - GRID[0]
    m = (p + q) / 2
    divergence = (stats.entropy(p, m) * p.sum() + stats.entropy(q, m) * q.sum()) * width / 2
    if pair is least_squares_pair:  # 1/2 * integral of p q / (p + q)
        np.testing.assert_allclose(loss, 0.5 * np.sum(p * q / (p + q)) * width, rtol=1e-4)
    else:  # theorem 1: log 4 - 2 times the Jensen-Shannon divergence
        np.testing.assert_allclose(loss, math.log(4) - 2 * divergence, rtol=1e-4)


def test_the_formulas_of_all_pairs():
    d_real, d_fake = 1 / (1 + np.exp(-REAL)), 1 / (1 + np.exp(-FAKE))
    entropy = -np.log(d_real) - np.log(1 - d_fake)
    expected = {
        minimax_pair: (entropy, np.log(1 - d_fake)),
        nonsaturating_pair: (entropy, -np.log(d_fake)),
        least_squares_pair: ((REAL - 1) ** 2 / 2 + FAKE**2 / 2, (FAKE - 1) ** 2 / 2),
        hinge_pair: (np.maximum(0, 1 - REAL) + np.maximum(0, 1 + FAKE), -FAKE),
        wasserstein_pair: (FAKE - REAL, -FAKE),
    }
    for pair, (discriminator, generator) in expected.items():
        np.testing.assert_allclose(pair.discriminator(REAL, FAKE), discriminator, rtol=1e-5)
        np.testing.assert_allclose(pair.generator(FAKE), generator, rtol=1e-5)
    # who cannot tell them apart says 1/2: log 4
    zero = jnp.zeros(1)
    assert float(minimax_pair.discriminator(zero, zero)[0]) == pytest.approx(math.log(4))


def test_far_logits_stay_finite():
    far = jnp.array([1e4, -1e4])
    for pair in (minimax_pair, nonsaturating_pair):
        values, slopes = jax.vjp(lambda z, pair=pair: pair.discriminator(z, -z), far)
        np.testing.assert_allclose(values, [0, 2e4])
        np.testing.assert_allclose(slopes(jnp.ones(2))[0], [0, -2])
    np.testing.assert_allclose(nonsaturating_pair.generator(far), [0, 1e4])
    slope = jax.grad(lambda z: nonsaturating_pair.generator(z).sum())(far)
    np.testing.assert_allclose(slope, [0, -1])  # large where the discriminator wins
    slope = jax.grad(lambda z: minimax_pair.generator(z).sum())(far)
    np.testing.assert_allclose(slope, [-1, 0])  # and here it vanishes


def test_the_penalty_is_of_the_slope_between_rows():
    x = jnp.arange(6.0).reshape(3, 2)
    key = jax.random.key(0)
    share = jax.random.uniform(key, (3, 1))
    between = share * x + (1 - share) * (-x)
    cube = lambda x: (x**3).sum(axis=1)
    norms = np.linalg.norm(3 * np.square(between), axis=1)
    np.testing.assert_allclose(gradient_penalty(cube, x, -x, key), (norms - 1) ** 2, rtol=1e-5)
    flat = lambda w: gradient_penalty(lambda x: 0 * (x @ w), x, -x, key).sum()
    value, slope = jax.value_and_grad(flat)(jnp.ones(2))
    assert value == 3
    assert np.isfinite(slope).all()


def shift(w, z):
    return z + w


def score(w, x):
    return x @ w


def test_each_player_meets_its_own_rows_and_weights():
    losses = adversarial(shift, score, 1, hinge_pair, penalty=2.0)
    params = {"generator": jnp.array(5.0), "discriminator": jnp.array([0.5])}
    x, weight = jnp.array([[1.0], [1.0], [900.0]]), jnp.array([1.0, 1.0, 0.0])
    batch, key = {"x": x, "weight": weight}, jax.random.key(1)
    z = jax.random.normal(jax.random.split(key)[0], (3, 1))
    loss, metrics = losses["discriminator"](params, batch, key)
    fakes = (z + 5) * 0.5
    expected = np.mean(np.maximum(0, 1 + fakes[:2])) + 0.5 + 2 * 0.25
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    np.testing.assert_allclose([metrics["real"], metrics["penalty"]], [0.5, 0.25], rtol=1e-6)
    np.testing.assert_allclose(metrics["fake"], fakes.mean(), rtol=1e-6)
    slopes = jax.grad(losses["discriminator"], has_aux=True)(params, batch, key)[0]
    assert slopes["generator"] == 0  # the fakes are data to the discriminator
    own = adversarial(shift, score, lambda key, rows: jnp.ones((rows, 1)), wasserstein_pair)
    loss, slopes = jax.value_and_grad(lambda p: own["generator"](p, x, key)[0])(params)
    np.testing.assert_allclose([loss, slopes["generator"]], [-3.0, -0.5])


@pytest.mark.slow
def test_a_generator_finds_the_mean_in_turns_and_at_once(key):
    x = 3.0 + jax.random.normal(key, (512, 1))
    losses = adversarial(shift, score, 1, wasserstein_pair)
    start = {"generator": jnp.zeros(()), "discriminator": jnp.zeros(1)}
    tx = optax.optimistic_gradient_descent(0.1)
    in_turns = pj.trainers.alternating(losses, {"generator": tx, "discriminator": tx})
    at_once = pj.train_step(pj.trainers.simultaneous(losses), tx)
    for trainer in (in_turns, at_once):
        run = pj.fit(trainer, start, x, key=key, steps=600)
        # noise of 512 fakes a step, and the game is bilinear (Daskalakis et al., 2018)
        np.testing.assert_allclose(run.params["generator"], x.mean(), atol=0.15)


def test_model_state_goes_to_its_own_player(key):
    counted = lambda f: lambda w, count, x: (f(w, x), {"calls": count["calls"] + 1})
    losses = adversarial(counted(shift), counted(score), 1, stateful=True)
    params = {"generator": jnp.ones(()), "discriminator": jnp.ones(1)}
    state = {"generator": {"calls": 0}, "discriminator": {"calls": 0}}
    _, (after, metrics) = losses["discriminator"](params, state, jnp.ones((4, 1)), key)
    assert after == {"generator": {"calls": 0}, "discriminator": {"calls": 2}}
    assert set(metrics) == {"real", "fake"}
    _, (after, _) = losses["generator"](params, state, jnp.ones((4, 1)), key)
    assert after == {"generator": {"calls": 1}, "discriminator": {"calls": 0}}


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: adversarial(None, score, 1), TypeError, "generate: expected a function"),
        (lambda: adversarial(shift, score, 0), ValueError, "latent: expected a whole number"),
        (lambda: adversarial(shift, score, 1, "hinge"), TypeError, "such as nonsaturating_pair"),
        (lambda: adversarial(shift, score, 1, penalty=-1), ValueError, "penalty: expected"),
    ],
)
def test_bad_arguments_say_what_is_expected(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_shapes_that_do_not_fit_are_refused(key):
    params = {"generator": jnp.zeros(()), "discriminator": jnp.zeros(2)}
    matrix = adversarial(shift, lambda w, x: x, 2)["generator"]
    with pytest.raises(ValueError, match=r"one logit for each of 3 rows, got shape \(3, 2\)"):
        matrix(params, jnp.ones((3, 2)), key)
    wide = adversarial(shift, score, 2)["discriminator"]
    with pytest.raises(ValueError, match=r"the shape of the rows, \(3, 4\), got \(3, 2\)"):
        wide(params, jnp.ones((3, 4)), key)
