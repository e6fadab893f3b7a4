import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest
from comparing import at
from jax.test_util import check_grads
from refusing import assert_refused
from stepping import run_steps

import paramjax as pj
from paramjax.step.trainers import adapt, meta_loss

RATE = 0.2


def quadratic(params, batch, key):
    """The mean of p.H p / 2 - b.p over rows, so that gradient and Hessian are known."""
    each = 0.5 * jnp.einsum("i,rij,j->r", params, batch["H"], params) - batch["b"] @ params
    return each.mean(), {"first": params[0]}


def smooth(params, batch, key):
    outputs = jnp.tanh(batch["x"] * params["w"]) * params["v"]
    return jnp.mean((outputs - batch["y"]) ** 2), {}


@pytest.fixture
def tasks():
    """Three tasks of two rows a side, with positive definite H."""
    rng = np.random.default_rng(0)

    def side():
        root = rng.standard_normal((3, 2, 2, 2))
        return {
            "H": (root @ root.swapaxes(-1, -2) + np.eye(2)).astype(np.float32),
            "b": rng.standard_normal((3, 2, 2)).astype(np.float32),
        }

    return {"support": side(), "query": side()}


@pytest.fixture
def params():
    return jnp.array([0.7, -1.2])


@pytest.mark.parametrize(("steps", "first_order"), [(0, False), (3, False), (3, True)])
def test_the_gradient_is_the_closed_form_on_quadratics(tasks, params, key, steps, first_order):
    outer = meta_loss(quadratic, optax.sgd(RATE), steps, first_order=first_order)
    grads, loss, metrics = pj.gradient(outer)(params, tasks, key)
    losses, expected, ends = [], [], []
    for task in range(3):
        (hs, bs), (hq, bq) = (
            (tasks[side]["H"][task].mean(0), tasks[side]["b"][task].mean(0))
            for side in ("support", "query")
        )
        end = np.asarray(params)
        for _ in range(steps):
            end = end - RATE * (hs @ end - bs)
        losses.append(0.5 * end @ hq @ end - bq @ end)
        path = np.linalg.matrix_power(np.eye(2) - RATE * hs, steps)  # d end / d start
        expected.append((np.eye(2) if first_order else path.T) @ (hq @ end - bq))
        ends.append(end)
    np.testing.assert_allclose(loss, np.mean(losses), rtol=1e-5)
    np.testing.assert_allclose(grads, np.mean(expected, axis=0), rtol=1e-4)
    np.testing.assert_allclose(metrics["first"], np.mean(ends, axis=0)[0], rtol=1e-5)


@pytest.mark.parametrize(
    "tx",
    [
        pytest.param(optax.adam(0.1), id="adam"),
        pytest.param(
            optax.contrib.schedule_free_sgd(0.3), marks=pytest.mark.slow, id="schedule free"
        ),
    ],
)
def test_the_gradient_equals_finite_differences(key, tx):
    rng = np.random.default_rng(1)
    side = lambda: {"x": rng.standard_normal((2, 5)), "y": rng.standard_normal((2, 5))}
    with jax.enable_x64(True):
        batch = jax.tree.map(jnp.asarray, {"support": side(), "query": side()})
        params = {"w": jnp.float64(0.8), "v": jnp.float64(1.3)}
        outer = meta_loss(smooth, tx, 3)
        check_grads(lambda p: outer(p, batch, key)[0], (params,), 1, modes=["rev"], rtol=1e-5)


def test_an_inner_gradient_of_zero_leaves_a_finite_one(key):
    batch = {"support": jnp.zeros((1, 1)), "query": jnp.ones((1, 1))}
    square = lambda params, batch, key: (jnp.sum((params - batch) ** 2), {})
    grads, _, _ = pj.gradient(meta_loss(square, optax.sgd(0.1), 2))(jnp.zeros(()), batch, key)
    np.testing.assert_allclose(grads, -2.0 * (1.0 - 2 * 0.1) ** 2, rtol=1e-6)


def test_adapting_equals_training(tasks, params, key):
    support = jax.tree.map(lambda leaf: jnp.stack([leaf[0]] * 4), tasks["support"])
    tx = optax.contrib.schedule_free_adamw(0.1)
    trainer = pj.train_step(quadratic, tx)
    state, _ = run_steps(trainer, params, key, support)
    adapted = adapt(quadratic, tx, 4)(params, at(support, 0), key)
    np.testing.assert_allclose(adapted, trainer.eval_params(state), rtol=1e-5)
    assert (adapted != state.params).all()


def test_tasks_and_steps_have_their_own_keys(key):
    noise = lambda params, batch, key: (params * jax.random.normal(key), {})
    batch = {"support": jnp.zeros((2, 1)), "query": jnp.zeros((2, 1))}
    grads, loss, _ = pj.gradient(meta_loss(noise, optax.sgd(1.0), 2))(jnp.ones(()), batch, key)
    losses, slopes = [], []
    for task_key in jax.random.split(key, 2):
        inner_key, query_key = jax.random.split(task_key)
        noise = [jax.random.normal(jax.random.fold_in(inner_key, step)) for step in range(2)]
        slopes.append(jax.random.normal(query_key))
        losses.append(slopes[-1] * (1.0 - sum(noise)))
    np.testing.assert_allclose(loss, np.mean(losses), rtol=1e-6)
    np.testing.assert_allclose(grads, np.mean(slopes), rtol=1e-6)


def test_what_is_refused(tasks, params, key):
    for factory in (adapt, meta_loss):
        assert_refused(
            lambda make=factory, **change: make(
                **{"loss_fn": quadratic, "tx": optax.sgd(0.1), "steps": 1, **change}
            ),
            ({"steps": -1}, ValueError, "steps: expected a whole number from 0"),
            ({"tx": 0.1}, TypeError, "tx: expected an optax gradient transformation"),
            ({"loss_fn": pj.gradient(quadratic)}, TypeError, "loss_fn: .* got a GradFn"),
            ({"loss_fn": 3.0}, TypeError, "loss_fn: expected a function"),
        )
    outer = meta_loss(quadratic, optax.sgd(0.1), 1)
    support, uneven = tasks["support"], {**tasks, "query": at(tasks["query"], slice(2))}
    assert_refused(
        lambda *batch: outer(params, *batch, key),
        (({"support": support},), TypeError, r"expected a batch {'support': .*, got \['support'\]"),
        (np.zeros((3, 2)), TypeError, "expected a batch .*, got ndarray"),
        ((uneven,), ValueError, "meta_loss: expected leaves of one length"),
    )
