import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from refusing import assert_refused

import paramjax as pj
from paramjax.step.grads import accumulate, adversarial

W = jnp.array([1.0, -2.0, 0.0])
BATCH = {"x": jnp.array([[0.2, 0.5, 0.9], [0.7, 0.1, 0.3]]), "y": jnp.array([1.0, -1.0])}


def margin(params, batch, key):
    """Linear in the inputs, so that the worst one is known: against the sign of y w."""
    scores = batch["y"] * (batch["x"] @ params)
    return jnp.mean(jax.nn.softplus(-scores)), {"score": scores.mean()}


@pytest.mark.parametrize("random_start", [False, True])
def test_the_worst_input_of_a_linear_model(random_start, key):
    """Goodfellow et al. (2015, section 5): the margin falls by radius times |w|_1."""
    attack = adversarial(margin, radius=0.1, step_size=0.05, steps=4, random_start=random_start)
    loss, metrics = attack(W, BATCH, key)
    worst = BATCH["x"] - 0.1 * BATCH["y"][:, None] * jnp.sign(W)[None]
    np.testing.assert_allclose(loss, margin(W, {**BATCH, "x": worst}, key)[0], rtol=1e-6)
    clean = margin(W, BATCH, key)[1]["score"]
    np.testing.assert_allclose(metrics["score"], clean - 0.1 * 3.0, rtol=1e-5)


def test_the_gradient_is_taken_at_the_worst_input_held_fixed(key):
    """Danskin's theorem; by hand, one step of sign-gradient ascent on a curved loss."""

    def curved(params, batch, key):
        return jnp.mean((jnp.tanh(batch["x"] @ params) - batch["y"]) ** 2), {}

    attack = adversarial(curved, radius=0.1, step_size=0.1, steps=1, random_start=False)
    slope = jax.grad(lambda x: curved(W, {**BATCH, "x": x}, key)[0])(BATCH["x"])
    worst = {**BATCH, "x": BATCH["x"] + 0.1 * jnp.sign(slope)}
    expected = pj.gradient(curved)(W, worst, key)
    chex.assert_trees_all_close(pj.gradient(attack)(W, BATCH, key), expected, rtol=1e-5)


def test_it_stays_in_the_ball_the_bounds_and_the_dtype(key):
    seen = lambda params, batch, key: (jnp.sum(batch["x"] @ params), {"x": batch["x"]})
    attack = adversarial(seen, radius=0.3, step_size=0.2, steps=5, bounds=(0.0, 1.0))
    x = attack(W, BATCH, key)[1]["x"]
    assert float(jnp.abs(x - BATCH["x"]).max()) <= 0.3 + 1e-6
    assert float(x.min()) >= 0.0
    assert float(x.max()) <= 1.0
    np.testing.assert_allclose(x[:, 0], [0.5, 1.0], rtol=1e-6)  # up, as far as it may
    low = attack(W, {**BATCH, "x": BATCH["x"].astype(jnp.bfloat16)}, key)[1]["x"]
    assert low.dtype == jnp.bfloat16


def test_the_random_start_comes_from_the_key_and_covers_the_ball():
    """Where the loss is flat the ascent stands still, so that the start is what is seen."""
    flat = lambda params, batch, key: (0.0 * params.sum() + 0.0 * batch["x"].sum(), batch)
    attack = adversarial(flat, radius=0.5, step_size=0.1, steps=2)
    batch = {"x": jnp.zeros(10_000)}
    x = attack(W, batch, jax.random.key(1))[1]["x"]
    np.testing.assert_allclose([x.min(), x.mean(), x.max()], [-0.5, 0.0, 0.5], atol=0.01)
    np.testing.assert_array_equal(x, attack(W, batch, jax.random.key(1))[1]["x"])
    assert (x != attack(W, batch, jax.random.key(2))[1]["x"]).any()
    still = adversarial(flat, radius=0.5, step_size=0.1, steps=2, random_start=False)
    assert (still(W, batch, jax.random.key(1))[1]["x"] == 0).all()


def test_another_leaf_by_its_name(key):
    loss_fn = lambda params, batch, key: (jnp.sum(batch["in"][1] * params), {"x": batch})
    numbers = {"radius": 0.1, "step_size": 0.1, "steps": 2}
    attack = adversarial(loss_fn, **numbers, leaf="in/1", random_start=False)
    batch = {"in": (jnp.ones(3), jnp.ones(3)), "n": jnp.arange(2)}
    moved = attack(W, batch, key)[1]["x"]
    np.testing.assert_allclose(moved["in"][1], [1.1, 0.9, 1.0])
    chex.assert_trees_all_equal(moved["in"][0], batch["in"][0])
    whole = lambda params, batch, key: (jnp.sum(params * batch), {})
    bare = adversarial(whole, **numbers, leaf="(the tree itself)")
    np.testing.assert_allclose(bare(W, jnp.zeros(3), key)[0], 0.3, rtol=1e-5)


def test_the_attack_sees_the_model_state_frozen(key):
    def loss_fn(params, seen, batch, key):
        return jnp.sum(batch["x"] @ params) * seen, (seen + 1, {})

    attack = adversarial(loss_fn, radius=0.1, step_size=0.1, steps=3)
    _, _, (seen, _) = pj.gradient(attack, stateful=True)(W, jnp.float32(1.0), BATCH, key)
    assert float(seen) == 2.0


def test_it_goes_into_every_estimator(key):
    attack = adversarial(margin, radius=0.1, step_size=0.1, steps=2, random_start=False)
    # sign-gradient ascent does not know how many rows the mean is over
    whole = pj.gradient(attack)(W, BATCH, key)
    chex.assert_trees_all_close(accumulate(attack, 2)(W, BATCH, key), whole, rtol=1e-5)


def test_what_is_refused(key):
    attack = lambda loss_fn=margin, **change: adversarial(
        loss_fn, **{"radius": 0.1, "step_size": 0.1, "steps": 1, **change}
    )
    assert_refused(
        attack,
        ({"radius": 0.0}, ValueError, "radius: expected a number above 0"),
        ({"step_size": -1.0}, ValueError, "step_size: expected a number from 0"),
        ({"steps": 0}, ValueError, "steps: expected a whole number from 1"),
        ({"bounds": (1.0, 0.0)}, ValueError, "bounds: expected the smaller one first, got 1 and 0"),
        ({"bounds": 1.0}, ValueError, r"bounds: expected \(smallest, largest\), got float"),
        ({"bounds": (0.0, None)}, TypeError, "largest bound: expected a number, got None"),
        (0.5, TypeError, "adversarial: expected a loss, got float"),
        (pj.gradient(margin), TypeError, "expected a loss, got GradFn; give the adversarial loss"),
    )
    assert_refused(
        lambda batch, key=key, **leaf: attack(**leaf)(W, batch, key),
        ({"batch": BATCH, "leaf": "image"}, ValueError, "has no leaf 'image'; it has x, y"),
        ({"batch": {"x": jnp.arange(3)}}, TypeError, r"leaf x of the batch is int32\[3\], exp"),
        ((BATCH, None), ValueError, "a random start needs a key, got None"),
    )
