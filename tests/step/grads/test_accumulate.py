import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from estimating import perceptron, temporary_bytes
from refusing import assert_refused

import paramjax as pj
from paramjax.step.grads import accumulate, per_example, private


def regression(params, batch, key):
    """A mean over the rows that count, or over all; NaN where none counts."""
    errors = jnp.tanh(batch["x"] @ params["w"]) - batch["y"]
    mean = lambda values: jnp.sum(values * batch.get("mask", 1.0)) / mask_sum(batch)
    return mean(errors**2), {"mae": mean(jnp.abs(errors))}


def mask_sum(batch):
    return batch["mask"].sum() if "mask" in batch else len(batch["y"])


@pytest.fixture
def batch():
    keys = jax.random.split(jax.random.key(1), 2)
    return {"x": jax.random.normal(keys[0], (12, 3)), "y": jax.random.normal(keys[1], (12,))}


@pytest.fixture
def masked(batch):
    # sums of the four microbatches of three: 3, 1, 0, 2
    mask = jnp.array([1, 1, 1, 0, 1, 0, 0, 0, 0, 1, 0, 1], jnp.float32)
    return {**batch, "mask": mask}


@pytest.fixture
def params():
    return {"w": jnp.array([0.3, -0.2, 0.5])}


@pytest.mark.parametrize("microbatches", [1, 3, 12])
def test_equals_the_whole_batch_in_one_trace(microbatches, params, batch, key):
    whole = pj.gradient(regression)(params, batch, key)
    grad_fn = accumulate(chex.assert_max_traces(regression, n=1), microbatches)
    chex.clear_trace_counter()
    step = jax.jit(grad_fn)
    chex.assert_trees_all_close(step(params, batch, key), whole, rtol=1e-6)
    step(params, batch, jax.random.key(1))


def test_unequal_weights_equal_the_whole_batch(params, masked, key):
    whole = pj.gradient(regression)(params, masked, key)
    parts = accumulate(regression, 4, weight=mask_sum)(params, masked, key)
    chex.assert_trees_all_close(parts, whole, rtol=1e-6)  # the third microbatch alone is NaN


def test_no_data_at_all_is_nan(params, masked, key):
    empty = {**masked, "mask": jnp.zeros(12)}
    grads, loss, _ = accumulate(regression, 4, weight=mask_sum)(params, empty, key)
    assert np.isnan(loss)
    assert np.isnan(grads["w"]).all()


def test_each_microbatch_has_its_key_and_every_nth_row_once(key):
    seen = []

    def loss_fn(params, batch, key):
        jax.debug.callback(lambda rows: seen.extend(rows.tolist()), batch)
        return params * jax.random.normal(key) * batch.sum(), {"sum": batch.sum()}

    estimate = accumulate(loss_fn, 2)(jnp.float32(1.0), jnp.arange(4.0), key)
    grads, _, metrics = jax.block_until_ready(estimate)
    drawn = [jax.random.normal(jax.random.fold_in(key, i)) for i in range(2)]
    np.testing.assert_allclose(grads, (drawn[0] * 2 + drawn[1] * 4) / 2, rtol=1e-6)
    assert float(metrics["sum"]) == 3.0
    jax.effects_barrier()
    assert seen == [0, 2, 1, 3]


def test_model_state_goes_from_each_microbatch_to_the_next(key):
    def loss_fn(params, seen, batch, key):
        return params * batch.sum(), (2 * seen + batch.sum(), {"seen": seen})

    grad_fn = accumulate(loss_fn, 3, stateful=True)
    arguments = jnp.float32(1.0), jnp.float32(1.0), jnp.array([1.0, 10.0, 100.0]), key
    _, _, (state, metrics) = grad_fn(*arguments)
    assert float(state) == 2 * (2 * (2 * 1 + 1) + 10) + 100
    assert float(metrics["seen"]) == pytest.approx((1 + 3 + 16) / 3)
    loss, (again, _) = grad_fn.loss_fn(*arguments)
    assert (float(loss), float(again)) == (37.0, float(state))


def test_bfloat16_counts_and_flags_are_averaged_in_float32(key):
    """64 gradients of 1/64 beside one of 256: in bfloat16 each of them would be lost."""

    def loss_fn(params, batch, key):
        metrics = {"count": batch.shape[0] * jnp.int32(3), "flag": batch.sum() > 5}
        return params * batch.astype(params.dtype).mean(), metrics

    batch = jnp.array([256.0] + [1.0] * 63)
    grads, loss, metrics = accumulate(loss_fn, 64)(jnp.bfloat16(1.0), batch, key)
    assert grads.dtype == jnp.bfloat16
    assert float(grads) == float(jnp.bfloat16((256 + 63) / 64))
    assert loss.dtype == metrics["count"].dtype == metrics["flag"].dtype == jnp.float32
    assert (float(metrics["count"]), float(metrics["flag"])) == (3.0, 1 / 64)


def test_the_loss_of_a_line_search_is_the_reported_one(params, masked, key):
    def noisy(params, batch, key):
        return regression(params, batch, key)[0] * jax.random.uniform(key), {}

    grad_fn = accumulate(noisy, 4, weight=mask_sum)
    grads, loss, _ = grad_fn(params, masked, key)
    value, slope = jax.value_and_grad(lambda p: grad_fn.loss_fn(p, masked, key)[0])(params)
    np.testing.assert_allclose(value, loss, rtol=1e-6)
    # the third microbatch is empty: its loss is 0/0, and so would be its gradient
    chex.assert_trees_all_close(slope, grads, rtol=1e-6)


def test_init_and_needs_of_the_inner_estimator_stay():
    inner = pj.GradFn(
        lambda params, state, batch, key: (params, params, (state, {})),
        stateful=True,
        init=lambda params, model_state: (model_state, 7),
        needs=("skip_nonfinite",),
    )
    outer = accumulate(inner, 2)
    assert outer.init(None, 1) == (1, 7)
    assert (outer.needs, outer.stateful, outer.loss_fn) == (("skip_nonfinite",), True, None)


def test_memory_is_that_of_a_microbatch(key):
    """Activations dominate: 2048 rows x 16 x 6 layers against 6 matrices of 16 x 16."""
    arguments = [jax.random.normal(key, (16, 16)) for _ in range(6)], jnp.ones((2048, 16)), key
    grad_fn = accumulate(perceptron, 8)
    whole = temporary_bytes(pj.gradient(perceptron), *arguments)
    for parts in (grad_fn, jax.grad(grad_fn.loss_fn, has_aux=True)):  # of a line search, too
        assert temporary_bytes(parts, *arguments) <= whole / 4


def test_what_cannot_be_accumulated_is_refused(params, batch, key):
    assert_refused(
        lambda x, y: accumulate(regression, 4)(
            params, {"x": jnp.zeros((x, 3)), "y": jnp.zeros(y)}, key
        ),
        ((10, 10), ValueError, "leaf x of the batch has 10 rows, which do not divide into 4 mic"),
        ((2, 2), ValueError, "has 2 rows, which do not divide into 4"),
        ((0, 0), ValueError, "has 0 rows"),
        ((8, 6), ValueError, r"leaves of one length .* \{'x': 8, 'y': 6\}"),
    )
    noisy = private(regression, clip_norm=1.0, noise_multiplier=1.0)
    wrong = pj.GradFn(lambda params, batch, key: ({"w": jnp.ones(2)}, 0.0, {}))
    assert_refused(
        lambda *loss, **weight: accumulate(*loss, **weight)(params, batch, key),
        ((per_example(regression), 2), ValueError, "got gradients per example; a private estimate"),
        ((noisy, 2), ValueError, r"adds its noise once .* private\(..., microbatch=rows"),
        ((regression, 0), ValueError, "microbatches: expected a whole number from 1"),
        ((wrong, 2), ValueError, r"gradients: leaf w has shape \(2,\)"),
    )
    assert_refused(
        lambda weight: accumulate(regression, 3, weight=weight)(params, batch, key),
        (0.5, TypeError, "weight: expected a function of a microbatch, got float"),
        (lambda batch: batch["y"], ValueError, r"weight: expected a scalar .* got shape \(4,\)"),
    )
