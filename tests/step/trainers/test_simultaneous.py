import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from games import GAME, start
from refusing import assert_refused

import paramjax as pj
from paramjax.step.trainers import simultaneous

RATE = 0.1


def trajectory(tx, steps, key):
    """The parameters of min over x, max over y of x.y, and their norm after each step."""
    trainer = pj.train_step(simultaneous(GAME), tx)

    def body(state, _):
        state, _ = trainer.step(state, None)
        return state, optax.tree.norm(state.params)

    return jax.jit(lambda s: jax.lax.scan(body, s, length=steps))(trainer.init(key, start()))


def test_each_player_descends_on_its_own_loss(key):
    losses = {
        "a": lambda p, batch, key: (jnp.sum(p["a"]["w"] ** 2 * p["b"]) * batch, {"seen": batch}),
        "b": lambda p, batch, key: (jnp.sum(p["a"]["w"] * p["b"] ** 3), {}),
    }
    params = {"a": {"w": jnp.array([1.0, 2.0])}, "b": jnp.array([3.0, -1.0])}
    grads, loss, metrics = simultaneous(losses)(params, jnp.float32(2.0), key)
    np.testing.assert_allclose(grads["a"]["w"], [12.0, -8.0])  # 2 a b * batch
    np.testing.assert_allclose(grads["b"], [27.0, 6.0])  # 3 a b^2
    assert float(metrics["a/loss"]) == (3.0 - 4.0) * 2.0
    assert float(metrics["b/loss"]) == 27.0 - 2.0
    assert float(loss) == 23.0
    assert float(metrics["a/seen"]) == 2.0
    np.testing.assert_allclose(metrics["b/grad_norm"], np.hypot(27.0, 6.0), rtol=1e-6)


def test_gradient_descent_ascent_leaves_the_bilinear_game(key):
    _, norms = trajectory(optax.sgd(RATE), 50, key)
    growth = norms / jnp.concatenate([optax.tree.norm(start())[None], norms[:-1]])
    np.testing.assert_allclose(growth, np.sqrt(1 + RATE**2), rtol=1e-5)


@pytest.mark.parametrize(
    ("tx", "bound"),
    [
        (optax.optimistic_gradient_descent(0.3), 1e-6),
        # with momentum Adam's normalised steps circle; its steps do not shrink to nothing
        (optax.optimistic_adam_v2(0.1, b1=0.0), 1e-2),
    ],
    ids=["gradient descent", "adam"],
)
def test_optimistic_steps_solve_it(key, tx, bound):
    state, _ = trajectory(tx, 2000, key)
    assert float(optax.tree.norm(state.params)) < bound


def test_equals_optimistic_descent_written_by_hand(key):
    state, _ = trajectory(optax.optimistic_gradient_descent(RATE), 5, key)
    x, y = start()["x"], start()["y"]
    before = (y, -x)  # optax starts with the first gradient as the one before it
    for _ in range(5):
        now = (y, -x)
        x, y = (p - RATE * (2 * g - b) for p, g, b in zip((x, y), now, before, strict=True))
        before = now
    chex.assert_trees_all_close(state.params, {"x": x, "y": y}, rtol=1e-6)


def test_players_may_have_their_own_transformation(key):
    adam = optax.adam(0.2)
    tx = optax.partition({"slow": optax.sgd(0.1), "fast": adam}, {"x": "slow", "y": "fast"})
    state, _ = trajectory(tx, 4, key)
    x, y = start()["x"], start()["y"]
    own = adam.init(y)
    for _ in range(4):
        updates, own = adam.update(-x, own)
        x, y = x - 0.1 * y, y + updates
    chex.assert_trees_all_close(state.params, {"x": x, "y": y}, rtol=1e-6)


def test_all_players_get_the_same_key(key):
    noisy = lambda sign: lambda p, batch, key: (sign * p["x"] * p["y"] * jax.random.normal(key), {})
    grad_fn = simultaneous({"x": noisy(1.0), "y": noisy(-1.0)})
    _, loss, metrics = grad_fn({"x": jnp.ones(()), "y": jnp.ones(())}, None, key)
    assert float(loss) == 0.0
    assert float(metrics["x/loss"]) != 0.0


def test_model_state_goes_from_player_to_player(key):
    loss = lambda factor: lambda p, seen, batch, key: (p["x"] * p["y"], (factor * (seen + 1), {}))
    grad_fn = simultaneous({"y": loss(2), "x": loss(10)}, stateful=True)
    params = {"x": jnp.ones(()), "y": jnp.ones(())}
    _, _, (model_state, _) = grad_fn(params, jnp.int32(0), None, key)
    assert int(model_state) == 30  # y first: 10 * (2 * (0 + 1) + 1)


def test_three_players(key):
    # each wants to stand where the next one does: x -> y -> z -> x
    chase = lambda a, b: lambda p, batch, key: (0.5 * (p[a] - p[b]) ** 2, {})
    losses = {"x": chase("x", "y"), "y": chase("y", "z"), "z": chase("z", "x")}
    trainer = pj.train_step(simultaneous(losses), optax.sgd(0.5))
    params = {"x": jnp.float32(0.0), "y": jnp.float32(3.0), "z": jnp.float32(6.0)}
    run = pj.fit(trainer, params, jnp.zeros(1), key=key, steps=60)
    chex.assert_trees_all_close(run.params, dict.fromkeys("xyz", jnp.float32(3.0)), rtol=1e-5)


def test_there_is_no_objective_to_search_along():
    assert simultaneous(GAME).loss_fn is None


def test_what_is_refused(key):
    wide = {**GAME, "y": lambda p, batch, key: (p["x"], {})}
    assert_refused(
        lambda *losses: simultaneous(*losses)(start(), None, key),
        (max, TypeError, "losses: expected a mapping from players to entries, got"),
        (({},), ValueError, "losses: expected a loss for each player, got an empty mapping"),
        (({0: max},), TypeError, "losses: expected the players' names as keys, got int 0"),
        (({"x": pj.GradFn(max)},), TypeError, r"losses\['x'\]: expected a loss .*, got a GradFn"),
        (({"x": 1.0},), TypeError, r"losses\['x'\]: expected a function, got float 1.0"),
        ((wide,), ValueError, r"scalar loss, got shape \(2,\)"),
    )
    assert_refused(
        lambda *params: simultaneous(GAME)(*params, None, key),
        (({"x": 1},), ValueError, r"\['x', 'y'\], got a mapping without 'y'"),
        (({"x": 1, "y": 2, "z": 3},), ValueError, "got a mapping with the unknown 'z'"),
        (({"x": 1, "z": 3},), ValueError, "got a mapping without 'y', with the unknown 'z'"),
        ((jnp.ones(2),), TypeError, r"params: expected a mapping .*, got float32\[2\]"),
    )
