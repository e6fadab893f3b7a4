"""What holds for every estimator: tracing, dtypes, keys, hyperparameters under vmap."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import paramjax as pj
from paramjax.step import grads as est


def loss_fn(params, batch, key):
    """Random, so that what hands on no key is found out."""
    errors = batch["x"] @ params["w"].astype(jnp.float32) + params["b"].astype(jnp.float32)
    errors = errors - batch["y"] + 0.1 * jax.random.normal(key, batch["y"].shape)
    return jnp.mean(errors**2), {"mae": jnp.abs(errors).mean()}


BATCH = {"x": jnp.linspace(-1, 1, 24).reshape(8, 3), "y": jnp.linspace(0, 1, 8)}
PARAMS = {"w": jnp.array([0.5, -0.25, 1.0]), "b": jnp.float32(0.125)}

# name -> (estimator of a loss and one number, values of the number)
ESTIMATORS = {
    "accumulate": (
        lambda loss, number: est.accumulate(loss, 4, weight=lambda b: number * b["y"].sum() + 1),
        (0.5, 2.0),
    ),
    "per_example": (lambda loss, number: est.per_example(scaled(loss, number)), (0.5, 2.0)),
    "private": (
        lambda loss, number: est.private(loss, clip_norm=number, noise_multiplier=number),
        (0.5, 2.0),
    ),
    "evolution": (lambda loss, number: est.evolution(loss, population=4, sigma=number), (0.5, 2)),
    "spsa": (lambda loss, number: est.spsa(loss, scale=number, samples=2), (0.5, 2.0)),
    "forward_gradient": (
        lambda loss, number: est.forward_gradient(scaled(loss, number), samples=2),
        (0.5, 2.0),
    ),
    "adversarial": (
        lambda loss, number: pj.gradient(
            est.adversarial(loss, radius=number, step_size=number, steps=2)
        ),
        (0.1, 0.2),
    ),
    "surgery": (
        lambda loss, number: est.surgery({"one": loss, "two": scaled(loss, -number)}),
        (0.5, 2.0),
    ),
    "conflict_averse": (
        lambda loss, number: est.surgery(
            {"one": loss, "two": scaled(loss, -0.3)}, est.conflict_averse(number)
        ),
        (0.25, 0.5),
    ),
    "dynamic_loss_scale": (
        lambda loss, number: unstated(est.dynamic_loss_scale(loss, initial=number)),
        (2.0, 4.0),
    ),
}

every = pytest.mark.parametrize("name", ESTIMATORS)


def scaled(loss, number):
    return lambda params, batch, key: (number * loss(params, batch, key)[0], {})


def unstated(grad_fn):
    """A stateful estimator from its first state."""

    def estimate(params, batch, key):
        grads, loss, aux = grad_fn(params, grad_fn.init(params, ()), batch, key)
        return grads, loss, aux[1]

    return pj.GradFn(estimate)


@every
def test_a_traced_number_under_jit_and_vmap_is_the_number_alone(name, key):
    make, numbers = ESTIMATORS[name]
    run = lambda number: make(loss_fn, number)(PARAMS, BATCH, key)
    together = jax.jit(jax.vmap(run))(jnp.array(numbers, jnp.float32))
    for i, number in enumerate(numbers):
        one = jax.tree.map(lambda leaf, i=i: leaf[i], together)
        chex.assert_trees_all_close(one, run(number), rtol=2e-5, atol=1e-6)


@every
def test_two_calls_trace_once(name, key):
    make, numbers = ESTIMATORS[name]
    grad_fn = make(loss_fn, numbers[0])
    step = jax.jit(chex.assert_max_traces(lambda *arguments: grad_fn(*arguments), n=1))
    chex.clear_trace_counter()
    for i in range(2):
        step(PARAMS, BATCH, jax.random.fold_in(key, i))


@every
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16], ids=["float32", "bfloat16"])
def test_gradients_have_the_parameters_dtype(name, dtype, key):
    make, numbers = ESTIMATORS[name]
    params = jax.tree.map(lambda leaf: leaf.astype(dtype), PARAMS)
    grads, loss, metrics = jax.jit(make(loss_fn, numbers[0]))(params, BATCH, key)
    assert {leaf.dtype for leaf in jax.tree.leaves(grads)} == {jnp.dtype(dtype)}
    assert {leaf.dtype for leaf in jax.tree.leaves((loss, metrics))} == {jnp.dtype("float32")}
    exact, _, _ = make(loss_fn, numbers[0])(PARAMS, BATCH, key)
    # bfloat16 rounds perturbed parameters to 8 bits, hence the width
    chex.assert_trees_all_close(
        jax.tree.map(lambda g: g.astype(jnp.float32), grads), exact, rtol=0.05, atol=0.1
    )


@every
def test_a_key_is_a_result(name, key):
    make, numbers = ESTIMATORS[name]
    grad_fn = jax.jit(make(loss_fn, numbers[0]))
    first, again = grad_fn(PARAMS, BATCH, key), grad_fn(PARAMS, BATCH, key)
    chex.assert_trees_all_equal(first, again)
    other = grad_fn(PARAMS, BATCH, jax.random.key(1))
    assert (np.asarray(first[0]["w"]) != np.asarray(other[0]["w"])).any()


@every
def test_it_runs_in_a_scan(name, key):
    make, numbers = ESTIMATORS[name]
    grad_fn = make(loss_fn, numbers[0])

    def step(params, key):
        grads, loss, _ = grad_fn(params, BATCH, key)
        if grad_fn.per_example:
            grads = jax.tree.map(lambda g: g.mean(0), grads)
        return jax.tree.map(lambda p, g: p - 0.01 * g, params, grads), loss

    _, losses = jax.lax.scan(step, PARAMS, jax.random.split(key, 3))
    assert np.isfinite(losses).all()
