"""JAX's own switches for finding faults take healthy steps for healthy.

Each case runs twice: compiled, where the switches look at what a program returns, and in Python
step by step (`jax_disable_jit`), where they look at each operation.
"""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

import paramjax as pj
from paramjax import grads, hooks

BATCH = 1 + np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
PARAMS = {"w": jnp.zeros(3), "b": jnp.float32(0.0)}
GAME = {"x": jnp.float32(1.0), "y": jnp.float32(2.0)}
SGD = optax.sgd(0.1)


def noisy(params, batch, key):
    """A loss that draws from its key, so that a key used twice is found."""
    error = batch - params["w"][None] - params["b"] + 0.1 * jax.random.normal(key, (1, 3))
    return jnp.mean(jnp.sum(error**2, axis=1)) / 2, {}


def opposed(params, batch, key):
    return -noisy(params, batch, key)[0], {}


def mine(params, batch, key):
    return (params["x"] - 1.0) ** 2 + 0.1 * jax.random.normal(key), {}


def theirs(params, batch, key):
    return (params["y"] - params["x"]) ** 2 + 0.1 * jax.random.normal(key), {}


def hooked(*chosen):
    return pj.train_step(noisy, SGD, chosen), PARAMS, BATCH


def estimated(grad_fn, *chosen):
    return pj.train_step(grad_fn, SGD, chosen), PARAMS, BATCH


def private(**options):
    return grads.private(noisy, clip_norm=1.0, noise_multiplier=1.0, **options)


def adversarial():
    loss = lambda p, b, k: (((p["w"][None] - b["x"]) ** 2).mean() + p["b"] ** 2, {})
    attacked = grads.adversarial(loss, radius=0.1, step_size=0.1, steps=2)
    return pj.train_step(attacked, SGD), PARAMS, {"x": BATCH}


def poisson():
    chosen = [hooks.best_params(), hooks.average_metrics("loss", window=2)]
    trainer = pj.train_step(private(expected_batch_size=2.0), SGD, chosen)
    return grads.poisson(trainer, 0.75), PARAMS, BATCH


def scheduled():
    loss = lambda p, b, k, *, c: (c * noisy(p, b, k)[0], {})
    return estimated(pj.losses.scheduled(loss, {"c": lambda step: 1.0 + step}))


TASKS = np.stack([BATCH, BATCH])
CASES = {
    "average_metrics": lambda: hooked(hooks.average_metrics("loss", window=3)),
    "best_params": lambda: hooked(hooks.best_params()),
    "ema": lambda: hooked(hooks.ema(0.9)),
    "ema of nothing": lambda: hooked(hooks.ema(0.0)),
    "monitor_groups": lambda: hooked(hooks.monitor_groups()),
    "noise_scale": lambda: hooked(hooks.noise_scale(2)),
    "polyak_average": lambda: hooked(hooks.polyak_average(1, 2)),
    "sharpness": lambda: hooked(hooks.sharpness(2, iterations=2)),
    "skip_nonfinite": lambda: hooked(hooks.skip_nonfinite()),
    "skip_spikes": lambda: hooked(hooks.skip_spikes(warmup=2)),
    "accumulate": lambda: estimated(grads.accumulate(noisy, 2)),
    "accumulate, weighted": lambda: estimated(
        grads.accumulate(noisy, 2, weight=lambda batch: batch.mean() * 0 + 1)
    ),
    "adversarial": adversarial,
    "conflict_averse": lambda: estimated(
        grads.surgery({"one": noisy, "two": opposed}, grads.conflict_averse())
    ),
    "surgery": lambda: estimated(grads.surgery({"one": noisy, "two": opposed})),
    "loss scale": lambda: estimated(grads.dynamic_loss_scale(noisy), hooks.skip_nonfinite()),
    "evolution": lambda: estimated(grads.evolution(noisy, population=4, sigma=0.1)),
    "evolution in chunks": lambda: estimated(
        grads.evolution(noisy, population=6, sigma=0.1, chunk=4)
    ),
    "forward_gradient": lambda: estimated(grads.forward_gradient(noisy, samples=2)),
    "private": lambda: estimated(private()),
    "private in microbatches": lambda: estimated(private(microbatch=3)),
    "spsa": lambda: estimated(grads.spsa(noisy, scale=0.1, samples=2)),
    "poisson": poisson,
    "scheduled": scheduled,
    "augmented": lambda: estimated(
        pj.losses.augmented(noisy, lambda key, b: b + jax.random.normal(key, b.shape))
    ),
    "lookahead": lambda: (pj.train_step(noisy, optax.lookahead(SGD, 2, 0.5)), PARAMS, BATCH),
    "polyak": lambda: (pj.train_step(noisy, optax.polyak_sgd()), PARAMS, BATCH),
    "simultaneous": lambda: (
        pj.train_step(pj.trainers.simultaneous({"x": mine, "y": theirs}), SGD), GAME, BATCH,
    ),
    "alternating": lambda: (
        pj.trainers.alternating({"x": mine, "y": theirs}, {"x": SGD, "y": SGD}, steps={"y": 2}),
        GAME, BATCH,
    ),
    "federated": lambda: (
        pj.trainers.federated(noisy, SGD, local_steps=2, local_batch_size=2, clients_per_round=2),
        PARAMS, TASKS,
    ),
    "meta": lambda: (
        pj.train_step(pj.trainers.meta_loss(noisy, SGD, 2), SGD),
        PARAMS, {"support": TASKS, "query": TASKS},
    ),
}  # fmt: skip


@contextlib.contextmanager
def switched(*names):
    for name in names:
        jax.config.update(name, True)
    try:
        yield
    finally:
        for name in names:
            jax.config.update(name, False)


def few_steps(step, trainer, params, batch):
    state = trainer.init(jax.random.key(0), params)
    for _ in range(3):
        state, metrics = step(state, batch)
    assert all(np.isfinite(value).all() for value in metrics.values())
    assert np.isfinite(jax.tree.leaves(trainer.eval_params(state))[0]).all()
    return metrics


WATCHES = ("jax_debug_nans", "jax_debug_infs")


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow if i % 3 else ()) for i, n in enumerate(CASES)],
)
def test_a_healthy_compiled_step_is_healthy(name):
    trainer, params, batch = CASES[name]()
    with switched(*WATCHES, "jax_debug_key_reuse"):
        few_steps(jax.jit(trainer.step), trainer, params, batch)


QUICK = ("accumulate",)
"""Cases that are tried without compilation each time; the others take seconds."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in CASES],
)
def test_a_healthy_step_without_compilation_is_healthy(name):
    trainer, params, batch = CASES[name]()
    with switched("jax_disable_jit", *WATCHES):
        metrics = few_steps(trainer.step, trainer, params, batch)
    expected = few_steps(jax.jit(trainer.step), trainer, params, batch)
    np.testing.assert_allclose(metrics["loss"], expected["loss"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("watch", WATCHES)
def test_what_is_not_healthy_is_found(watch):
    fault = jnp.nan if watch == "jax_debug_nans" else jnp.inf
    trainer = pj.train_step(lambda p, b, k: (p * fault, {}), SGD)
    with switched(watch), pytest.raises(FloatingPointError):
        few_steps(jax.jit(trainer.step), trainer, jnp.float32(1.0), BATCH)
