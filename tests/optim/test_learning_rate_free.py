"""Methods that find their learning rate, against their papers in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.optim import get

CURVATURE = np.array([1.0, 4.0, 0.5])
SOLUTION = np.array([1.0, -2.0, 3.0])


def loss_fn(x, batch, key):
    return 0.5 * jnp.sum(jnp.float32(CURVATURE) * (x - jnp.float32(SOLUTION)) ** 2), {}


def run(name, steps, start=(0.0, 0.0, 0.0), **numbers):
    """The parameters before each step and the metrics of all steps, in one program."""
    trainer = pj.train_step(loss_fn, get(name).factory(**numbers))

    def step(state, _):
        after, metrics = trainer.step(state, None)
        return after, (state.params, metrics)

    state = trainer.init(jax.random.key(0), jnp.float32(start))
    state, (params, metrics) = jax.lax.scan(step, state, None, length=steps)
    return np.asarray(params, float), jax.tree.map(np.asarray, metrics), trainer.eval_params(state)


def gradient(x):
    return CURVATURE * (x - SOLUTION)


def value(x):
    return 0.5 * np.sum(CURVATURE * (x - SOLUTION) ** 2)


def test_dog_steps_by_distance_over_gradients():
    """Ivgi, Hinder and Carmon (2023), equation (DoG): max distance / root of the summed squares."""
    start = x = np.array([0.1, 0.2, -0.3])
    farthest, total, by_hand, rates = 1e-2 * (1 + np.linalg.norm(start)), 0.0, [], []
    for _ in range(40):
        by_hand.append(x)
        farthest = max(farthest, np.linalg.norm(x - start))
        total += np.sum(gradient(x) ** 2)
        rates.append(farthest / np.sqrt(total))
        x = x - rates[-1] * gradient(x)
    params, metrics, _ = run("dog", 40, start, first_distance=1e-2)
    np.testing.assert_allclose(params, by_hand, rtol=2e-4, atol=1e-5)
    np.testing.assert_allclose(metrics["learning_rate"], rates, rtol=1e-4)


def test_dowg_weights_each_gradient_by_the_distance_at_its_time():
    """Khaled, Mishchenko and Jin (2023), algorithm 1."""
    x, farthest, total, by_hand = np.zeros(3), 0.1**2, 0.0, []
    for _ in range(40):
        by_hand.append(x)
        farthest = max(farthest, np.sum(x**2))
        total += farthest * np.sum(gradient(x) ** 2)
        x = x - farthest / (np.sqrt(total) + 1e-4) * gradient(x)
    params, _, _ = run("dowg", 40, first_distance=0.1)
    # rounding grows with the overshoots of the first steps
    np.testing.assert_allclose(params, by_hand, rtol=1e-3, atol=1e-3)


def test_cocob_bets_a_fraction_of_what_it_won():
    """Orabona and Tommasi (2017), algorithm 2, with alpha = 100 as there."""
    x, L, G, reward, theta, by_hand = np.zeros(3), np.full(3, 1e-8), 0.0, 0.0, 0.0, []
    for _ in range(60):
        by_hand.append(x)
        g = -gradient(x)
        L = np.maximum(L, np.abs(g))
        G = G + np.abs(g)
        reward = np.maximum(reward + x * g, 0)
        theta = theta + g
        x = theta / (L * np.maximum(G + L, 100 * L)) * (L + reward)
    params, _, _ = run("cocob", 60)
    np.testing.assert_allclose(params, by_hand, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("adam", [False, True])
def test_momo_steps_to_the_lower_bound_of_its_model(adam):
    """Schaipp et al. (2024), algorithms 1 and 2, with lower bound 0."""
    alpha, b1, b2, x = 2.0, 0.9, 0.999, np.zeros(3)
    d, mean_value, gamma, square, by_hand = np.zeros(3), 0.0, 0.0, np.zeros(3), []
    for k in range(1, 31):
        by_hand.append(x)
        g = gradient(x)
        # MoMo starts its averages at the first loss and gradient, MoMo-Adam at zero
        beta = b1 if adam or k > 1 else 0.0
        mean_value = beta * mean_value + (1 - beta) * value(x)
        d = beta * d + (1 - beta) * g
        gamma = beta * gamma + (1 - beta) * g @ x
        square = b2 * square + (1 - b2) * g**2
        metric = 1e-8 + np.sqrt(square / (1 - b2**k)) if adam else 1.0
        polyak = max(mean_value + d @ x - gamma, 0) / np.sum(d**2 / metric)
        rate = min(alpha / (1 - b1**k) if adam else alpha, polyak)
        x = x - rate * d / metric
    name = "momo_adam" if adam else "momo"
    params, _, _ = run(name, 30, learning_rate=alpha)
    np.testing.assert_allclose(params, by_hand, rtol=1e-3, atol=1e-4)


def test_prodigy_and_d_adaptation_approach_the_distance_to_the_solution():
    """Mishchenko and Defazio (2024), theorem 1: the estimate never falls nor passes the distance.

    In the form of Adam it is the largest distance of a coordinate, 3 here, and the bound holds on
    convex problems: the weighted mean of <g, x_0 - x> is at most that of <g, x_0 - x*>.
    """
    for name in ("prodigy", "dadapt_adamw"):
        _, metrics, end = run(name, 400)
        estimate = metrics["learning_rate"]
        assert estimate[0] == np.float32(1e-6)
        assert (np.diff(estimate) >= 0).all()
        assert 3.0 / 4 < estimate[-1] < 3.0
        assert value(np.asarray(end)) < 1e-3 * value(np.zeros(3))


def test_schedule_free_is_evaluated_at_the_mean_of_its_steps():
    """Defazio et al. (2024), equations 3 to 5, and a sweep's parameters are x."""
    z = x = np.zeros(3)
    for t in range(20):
        y = 0.1 * z + 0.9 * x
        z = z - 0.2 * gradient(y)
        x = x + (z - x) / (t + 1)
    _, _, end = run("schedule_free_sgd", 20, learning_rate=0.2, b1=0.9)
    np.testing.assert_allclose(end, x, rtol=1e-4)
    problem = pj.Problem(
        init=lambda key: jnp.zeros(3), data=np.zeros(4, np.float32), eval_data=np.zeros(1),
        evaluate=lambda params, data: {"loss": loss_fn(params, None, None)[0]},
    )  # fmt: skip
    swept = pj.sweep(
        lambda hp: pj.train_step(loss_fn, get("schedule_free_sgd").factory(0.2, **hp)),
        {"b1": pj.uniform(0.8, 0.95)}, problem, trials=[{"b1": 0.9}], seeds=1, steps=20,
        key=jax.random.key(0), evaluations=1,
    )  # fmt: skip
    np.testing.assert_allclose(swept.params_of(0, 0), x, rtol=1e-4)
    np.testing.assert_allclose(np.ravel(swept.curve["loss"])[-1], value(x), rtol=1e-3)


def test_a_schedule_multiplies_the_rate_that_a_method_finds():
    falling = optax.linear_schedule(1.0, 0.5, 10)
    _, metrics, _ = run("prodigy", 11, learning_rate=falling, first_estimate=0.1)
    _, whole, _ = run("prodigy", 1, first_estimate=0.1)
    assert metrics["learning_rate"][0] == whole["learning_rate"][0] == np.float32(0.1)
    assert metrics["learning_rate"][-1] >= np.float32(0.05)
    state = get("dog").factory(learning_rate=falling).init(jnp.zeros(2))
    assert float(state[-1].learning_rate) == 0.0
