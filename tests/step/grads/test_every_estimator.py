"""What holds for every estimator: one trace, keys, dtypes, traced numbers under scan and vmap."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from comparing import at

import paramjax as pj
from paramjax import grads as est


def loss_fn(params, batch, key):
    """Random, so that what hands on no key is found out."""
    errors = batch["x"] @ params["w"].astype(jnp.float32) + params["b"].astype(jnp.float32)
    errors = errors - batch["y"] + 0.1 * jax.random.normal(key, batch["y"].shape)
    return jnp.mean(errors**2), {"mae": jnp.abs(errors).mean()}


BATCH = {"x": jnp.linspace(-1, 1, 24).reshape(8, 3), "y": jnp.linspace(0, 1, 8)}
PARAMS = {"w": jnp.array([0.5, -0.25, 1.0]), "b": jnp.float32(0.125)}

# name -> estimator of a loss and a number
ESTIMATORS = {
    "accumulate": lambda f, n: est.accumulate(f, 4, weight=lambda b: n * b["y"].sum() + 1),
    "adversarial": lambda f, n: pj.gradient(est.adversarial(f, radius=n, step_size=n, steps=2)),
    "conflict_averse": lambda f, n: est.surgery(
        {"one": f, "two": scaled(f, -0.3)}, est.conflict_averse(n)
    ),
    "dynamic_loss_scale": lambda f, n: unstated(est.dynamic_loss_scale(f, initial=n)),
    "evolution": lambda f, n: est.evolution(f, population=4, sigma=n),
    "forward_gradient": lambda f, n: est.forward_gradient(scaled(f, n), samples=2),
    "per_example": lambda f, n: est.per_example(scaled(f, n)),
    "private": lambda f, n: est.private(f, clip_norm=n, noise_multiplier=n),
    "spsa": lambda f, n: est.spsa(f, scale=n, samples=2),
    "surgery": lambda f, n: est.surgery({"one": f, "two": opposed(f, n)}),
}
# two values of the number, where 0.5 and 2 are out of its range
NUMBERS = {"adversarial": (0.1, 0.2), "conflict_averse": (0.25, 0.5), "dynamic_loss_scale": (2, 4)}


def scaled(loss, number):
    return lambda params, batch, key: (number * loss(params, batch, key)[0], {})


def opposed(loss, number):
    """A loss in conflict with another one, whose gradient is not on the same line."""
    return lambda *inputs: (0.3 * inputs[0]["w"][0] - number * loss(*inputs)[0], {})


def unstated(grad_fn):
    """A stateful estimator from its first state."""

    def estimate(params, batch, key):
        grads, loss, aux = grad_fn(params, grad_fn.init(params, ()), batch, key)
        return grads, loss, aux[1]

    return pj.GradFn(estimate)


QUICK = {"accumulate", "private"}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in ESTIMATORS]
)
def test_the_contract(name, key):
    make, numbers = ESTIMATORS[name], NUMBERS.get(name, (0.5, 2.0))
    keys = jax.random.split(key, 2)
    alone = jax.jit(chex.assert_max_traces(lambda *args: make(loss_fn, numbers[1])(*args), n=1))
    chex.clear_trace_counter()
    results = [alone(PARAMS, BATCH, k) for k in keys]

    # a key is a result
    chex.assert_trees_all_equal(alone(PARAMS, BATCH, keys[0]), results[0])
    assert (np.asarray(results[0][0]["w"]) != np.asarray(results[1][0]["w"])).any()

    # a traced number under jit, vmap and scan is the number alone
    def scanned(number):
        grad_fn = make(loss_fn, number)
        return jax.lax.scan(lambda _, k: (None, grad_fn(PARAMS, BATCH, k)), None, keys)[1]

    together = jax.jit(jax.vmap(scanned))(jnp.array(numbers, jnp.float32))
    for step, result in enumerate(results):
        chex.assert_trees_all_close(at(together, (1, step)), result, rtol=2e-5, atol=1e-6)
    assert any((leaf[0] != leaf[1]).any() for leaf in jax.tree.leaves(together))

    # gradients have the dtype of the parameters, losses and metrics stay in float32
    low = jax.jit(make(loss_fn, numbers[1]))(jax.tree.map(jnp.bfloat16, PARAMS), BATCH, keys[0])
    for dtype, (grads, *rest) in (("float32", results[0]), ("bfloat16", low)):
        assert {str(leaf.dtype) for leaf in jax.tree.leaves(grads)} == {dtype}
        assert {str(leaf.dtype) for leaf in jax.tree.leaves(rest)} == {"float32"}
    # bfloat16 rounds perturbed parameters to 8 bits, hence the width
    wide = jax.tree.map(jnp.float32, low[0])
    chex.assert_trees_all_close(wide, results[0][0], rtol=0.05, atol=0.1)
