"""Finite means finite: norms, guards and clipping decide by the entries, in at least float32."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from stepping import run_steps

import paramjax as pj
from paramjax import hooks

LARGEST = float(np.finfo(np.float32).max)


def given(grads):
    """A trainer whose gradient is the batch, as it is."""
    return pj.GradFn(lambda params, batch, key: (batch, jnp.float32(0.0), {}))


def norm_of_step(grads, *hook_list):
    trainer = pj.train_step(given(grads), optax.sgd(0.0), hook_list)
    state = trainer.init(jax.random.key(0), jax.tree.map(jnp.zeros_like, grads))
    return jax.jit(trainer.step)(state, grads)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_the_norm_is_that_of_numpy_in_double_precision(dtype):
    numbers = np.random.default_rng(0).normal(size=(40, 5)) * 300
    grads = {"a": jnp.asarray(numbers[:20], dtype), "b": jnp.asarray(numbers[20:], dtype)}
    exact = np.linalg.norm([np.asarray(leaf, np.float64) for leaf in grads.values()])
    _, metrics = norm_of_step(grads)
    assert metrics["grad_norm"].dtype == jnp.float32
    np.testing.assert_allclose(metrics["grad_norm"], exact, rtol=1e-6)


@pytest.mark.parametrize(
    ("numbers", "finite"),
    [
        ([2e19, 2e19], True),
        ([LARGEST, -LARGEST, 1.0], True),
        ([LARGEST] * 1000, True),
        ([np.inf, 1.0], False),
        ([1.0, -np.inf], False),
        ([np.nan, 2e19], False),
        ([np.nan, np.inf], False),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "complex64"])
def test_the_norm_is_finite_exactly_where_all_entries_are(numbers, finite, dtype):
    grads = jnp.asarray(numbers, dtype)
    if dtype == "bfloat16":
        grads = jnp.where(jnp.isfinite(jnp.asarray(numbers)), jnp.clip(grads, -3e38, 3e38), grads)
    assert bool(jnp.isfinite(grads).all()) is finite
    _, metrics = norm_of_step(grads)
    assert bool(jnp.isfinite(metrics["grad_norm"])) is finite
    if finite:  # a lower bound, far above what any healthy gradient has
        assert metrics["grad_norm"] > 1e18


CASES = {
    "float16": (jnp.float16(200), 1e-3, np.float16),
    "float32": (2e19, 1e-20, np.float32),
    "bfloat16": (jnp.bfloat16(2e19), 1e-20, "bfloat16"),
}
GUARDS = {
    "none": [],
    "skip_nonfinite": [hooks.skip_nonfinite()],
    "skip_spikes": [hooks.skip_spikes(warmup=2)],
    "both": [hooks.skip_spikes(warmup=2), hooks.skip_nonfinite()],
}


@pytest.mark.parametrize(
    "guards",
    [n if n in ("none", "both") else pytest.param(n, marks=pytest.mark.slow) for n in GUARDS],
)
@pytest.mark.parametrize("case", CASES)
def test_a_run_with_large_finite_gradients_goes_as_plain_optax(key, case, guards):
    slope, rate, dtype = CASES[case]
    loss = lambda w, b, k: (jnp.sum(w * b.mean(0)) * slope, {})
    start, data, tx = jnp.zeros(2, dtype), jnp.ones((4, 2), dtype), optax.sgd(rate, momentum=0.9)
    run = pj.fit(pj.train_step(loss, tx, GUARDS[guards]), start, data, key=key, steps=5)
    params, opt_state = start, tx.init(start)
    for _ in range(5):
        updates, opt_state = tx.update(jnp.full(2, slope, dtype), opt_state, params)
        params = optax.apply_updates(params, updates)
    np.testing.assert_allclose(np.asarray(run.params, float), np.asarray(params, float), rtol=1e-2)
    for count in ("skipped", "spikes"):
        assert not run.history.get(count, np.zeros(1)).any()


def test_spikes_are_told_apart_at_any_scale(key):
    """The decisions do not depend on the unit of the gradients, up to 1e19."""
    norms = np.array([1.0, 1.1, 0.9, 1.05, 3.0, 1.0, 0.95, 9.0, 1.0])
    decisions = {}
    for unit in (1e-25, 1.0, 1e18):
        trainer = pj.train_step(given(None), optax.sgd(0.0), [hooks.skip_spikes(4.0, warmup=3)])
        batches = jnp.asarray(norms * unit, jnp.float32)
        _, metrics = run_steps(trainer, jnp.float32(0.0), key, batches)
        decisions[unit] = metrics["spikes"].tolist()
    # norms of 1e-25 have squares of zero
    assert decisions[1.0] == decisions[1e18] == [0, 0, 0, 0, 1, 1, 1, 2, 2]


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e10, 2e19, 3e38])
def test_private_clipping_bounds_rows_of_any_size(key, size):
    """Each row counts with its direction times the bound: here (3, 4) / 5 and a short one."""
    loss = lambda w, row, k: (jnp.sum(w * row[0]), {})
    grad_fn = pj.grads.private(loss, clip_norm=2.0, noise_multiplier=1e-6)
    rows = jnp.array([[0.6 * size, 0.8 * size], [0.5, 0.0]], jnp.float32)
    grads, _, metrics = jax.jit(grad_fn)(jnp.zeros(2), rows, key)
    length = min(size, 2.0)
    expected = np.array([0.6 * length + 0.5, 0.8 * length]) / 2
    np.testing.assert_allclose(grads, expected, rtol=1e-4, atol=1e-5)
    assert float(metrics["clipped"]) == (0.5 if size > 2 else 0.0)


@pytest.mark.parametrize("size", [1e-25, pytest.param(1.0, marks=pytest.mark.slow), 1e25])
@pytest.mark.parametrize("combine", ["project_conflicting", "conflict_averse"])
def test_surgery_does_not_depend_on_the_size_of_the_gradients(key, combine, size):
    rule = pj.grads.project_conflicting
    rule = rule if combine == "project_conflicting" else pj.grads.conflict_averse(0.5)

    def surgery(size):
        one = jnp.array([1.0, 0.0], jnp.float32) * size
        two = jnp.array([-1.0, 1.0], jnp.float32) * size
        losses = {"one": lambda w, b, k: (w @ one, {}), "two": lambda w, b, k: (w @ two, {})}
        return jax.jit(pj.grads.surgery(losses, rule))(jnp.zeros(2), None, key)

    grads, _, metrics = surgery(size)
    expected, _, _ = surgery(1.0)
    assert float(metrics["conflicts"]) == 1.0
    np.testing.assert_allclose(grads / size, expected, rtol=1e-4, atol=1e-6)
    if combine == "project_conflicting":  # half of (1, 0) + (1/2) (-1, 1) and of (0, 1)
        np.testing.assert_allclose(expected, [0.25, 0.75], rtol=1e-6)


def test_an_empty_poisson_sample_is_neither_best_nor_averaged(key):
    """Of a batch without rows the loss is unknown; private estimates report 0."""
    data = np.random.default_rng(0).normal(5.0, 1.0, 100).astype(np.float32)
    loss = lambda w, b, k: (((w - b) ** 2).mean(), {})
    grad_fn = pj.grads.private(loss, clip_norm=1.0, noise_multiplier=0.1, expected_batch_size=3.0)
    window = hooks.average_metrics("loss", window=10)
    trainer = pj.train_step(grad_fn, optax.sgd(0.1), [hooks.best_params(), window])
    run = pj.fit(pj.grads.poisson(trainer, 0.03), jnp.float32(0), data, key=key, steps=200)
    losses, empty = run.history["loss"], run.history["sampled"] == 0
    assert 0 < empty.sum() < 50
    assert (losses[empty] == 0).all()
    assert run.history["best_score"][-1] == losses[~empty].min()
    for step in range(200):
        seen = losses[: step + 1][~empty[: step + 1]][-10:]
        mean = np.mean(seen, dtype=np.float64) if seen.size else np.nan
        np.testing.assert_allclose(run.history["loss/mean"][step], mean, rtol=1e-5)


def test_on_an_accelerator_the_norm_is_the_plain_one_that_clipping_makes(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    grads = {"w": jnp.array([3.0, 4.0]), "b": jnp.array([12.0], jnp.float16)}
    _, metrics = norm_of_step(grads)
    assert float(metrics["grad_norm"]) == 13.0
    assert np.isinf(norm_of_step({"w": jnp.array([1e20, 1e20])})[1]["grad_norm"])


def test_the_norm_of_many_entries_is_finite_exactly_where_all_of_them_are():
    """Side by side, each tree for itself: 5,000 entries of 2, one that overflows, NaN, infinity."""
    numbers = jnp.array([2.0, 1e20, jnp.nan, jnp.inf])
    grads = jnp.full((4, 5000), 2.0).at[:, 7].set(numbers)
    norm = jax.jit(jax.vmap(lambda own: norm_of_step({"w": own})[1]["grad_norm"]))(grads)
    assert jnp.isfinite(norm).tolist() == [True, True, False, False]
    np.testing.assert_allclose(norm[0], 2 * np.sqrt(5000), rtol=1e-6)
    assert norm[1] > 1e17  # a lower bound
    slope = jax.grad(lambda own: norm_of_step({"w": own})[1]["grad_norm"])(grads[0])
    np.testing.assert_allclose(slope, 2 / (2 * np.sqrt(5000)), rtol=1e-5)
