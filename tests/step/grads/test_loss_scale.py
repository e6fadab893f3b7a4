import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from refusing import assert_refused

import paramjax as pj
from paramjax.losses import mixed_precision
from paramjax.step.grads import accumulate, dynamic_loss_scale
from paramjax.step.hooks import skip_nonfinite


def faint(params, batch, key):
    """Gradients of about 1e-8 to the weights: in float16 they are zero unless scaled."""
    hidden = jnp.tanh(batch @ params["w"]) * jnp.asarray(2.0**-20, batch.dtype)
    return jnp.mean(hidden.astype(jnp.float32)) * 2.0**-6, {"size": jnp.abs(hidden).max()}


BATCH = jnp.linspace(-1, 1, 12).reshape(6, 2) + 0.25
FAINT = {"w": jnp.array([0.3, -0.2])}


def test_small_gradients_survive_float16(key):
    exact = pj.gradient(faint)(FAINT, BATCH, key)[0]["w"]
    lost = pj.gradient(mixed_precision(faint, jnp.float16))(FAINT, BATCH, key)[0]["w"]
    assert not np.allclose(lost, exact, rtol=0.1, atol=0)
    grad_fn = dynamic_loss_scale(mixed_precision(faint, jnp.float16), initial=2.0**24)
    grads, loss, (_, metrics) = grad_fn(FAINT, grad_fn.init(FAINT, ()), BATCH, key)
    np.testing.assert_allclose(grads["w"], exact, rtol=5e-3)
    # the outputs, of 1e-7, have a few bits each
    np.testing.assert_allclose(loss, faint(FAINT, BATCH, key)[0], rtol=5e-2)
    assert grads["w"].dtype == jnp.float32
    assert float(metrics["loss_scale"]) == 2.0**24


def test_in_float32_nothing_changes(line, line_loss, line_params, key):
    """Powers of two: scaled and divided, not a bit is different."""
    grad_fn = dynamic_loss_scale(line_loss)
    grads, loss, _ = grad_fn(line_params, grad_fn.init(line_params, ()), line, key)
    chex.assert_trees_all_equal((grads, loss), pj.gradient(line_loss)(line_params, line, key)[:2])


def test_an_overflow_halves_the_scale_skips_the_step_and_training_goes_on(
    line, line_loss, line_params, key
):
    """2**20 overflows float16, whose largest number is 65,504, until it is small enough."""
    tx = optax.sgd(0.3)
    grad_fn = dynamic_loss_scale(mixed_precision(line_loss, jnp.float16), initial=2.0**20)
    trainer = pj.train_step(grad_fn, tx, hooks=[skip_nonfinite()])
    first = pj.fit(trainer, line_params, line, key=key, steps=1)
    chex.assert_trees_all_equal(first.params, line_params)
    run = pj.fit(trainer, line_params, line, key=key, steps=40)
    skipped = int(run.history["skipped"][-1])
    assert 0 < skipped < 10
    scales = run.history["loss_scale"][: skipped + 1].tolist()
    assert scales == [2.0 ** (20 - i) for i in range(skipped + 1)]
    plain = pj.train_step(line_loss, tx)
    exact = pj.fit(plain, line_params, line, key=key, steps=40 - skipped).params
    chex.assert_trees_all_close(run.params, exact, rtol=2e-2)  # float16 has 11 bits
    assert run.params["w"].dtype == jnp.float32


def scales(batches, key, **numbers):
    """The scale in each step of a loss whose gradient is the batch."""
    loss_fn = lambda params, batch, key: (params * batch, {})
    grad_fn = dynamic_loss_scale(loss_fn, **numbers)

    def body(own, batch):
        _, _, (own, metrics) = grad_fn(jnp.float32(1.0), own, batch, key)
        return own, metrics["loss_scale"]

    return jax.lax.scan(body, grad_fn.init(jnp.float32(1.0), ()), jnp.float32(batches))[1].tolist()


def test_it_grows_after_as_many_finite_steps_and_an_overflow_starts_the_count_anew(key):
    grown = scales([1] * 8, key, initial=4.0, growth_interval=3, factor=4.0)
    assert grown == [4.0] * 3 + [16.0] * 3 + [64.0] * 2
    batches = [1, 1, np.inf, 1, 1, np.nan, 1, 1, 1, 1]  # steps 2 and 5 overflow
    found = scales(batches, key, initial=8.0, growth_interval=3)
    assert found == [8, 8, 8, 4, 4, 4, 2, 2, 2, 4]


def test_the_scale_stays_between_one_and_infinity(key):
    numbers = {"initial": 4.0, "growth_interval": 1, "factor": 2.0**60}
    assert scales([np.inf] * 5, key, **numbers) == [4.0, 1.0, 1.0, 1.0, 1.0]
    assert np.isfinite(scales([0.0] * 5, key, **numbers)).all()


def test_the_models_own_state_is_carried_and_taken_back(key):
    loss_fn = lambda params, seen, batch, key: (params * batch.sum(), (seen + 1, {}))
    grad_fn = dynamic_loss_scale(loss_fn, stateful=True)
    trainer = pj.train_step(grad_fn, optax.sgd(0.0), hooks=[skip_nonfinite()])
    state = trainer.init(key, jnp.float32(1.0), jnp.int32(0))
    state, _ = trainer.step(state, jnp.ones(2))
    assert int(state.model_state.model_state) == 1
    state, _ = trainer.step(state, jnp.full(2, jnp.inf))
    assert int(state.model_state.model_state) == 1  # rejected with the step
    assert float(state.model_state.scale.value.scale) == 2.0**14  # not rejected
    loss, (own, _) = grad_fn.loss_fn(state.params, state.model_state, jnp.ones(2), key)
    assert (float(loss), int(own.model_state)) == (2.0, 2)


def test_accumulated_in_float16(line, line_loss, line_params, key):
    """The scale goes from microbatch to microbatch; one that overflows loses the step."""
    inner = dynamic_loss_scale(mixed_precision(line_loss, jnp.float16), initial=2.0**20)
    trainer = pj.train_step(accumulate(inner, 4), optax.sgd(0.3), hooks=[skip_nonfinite()])
    state = trainer.init(key, line_params)
    step = jax.jit(trainer.step)
    state, metrics = step(state, line)
    assert int(metrics["skipped"]) == 1
    assert float(state.model_state.scale.value.scale) <= 2.0**17
    for _ in range(30):
        state, metrics = step(state, line)
    np.testing.assert_allclose(state.params["w"], 3.0, rtol=2e-2)
    assert int(metrics["skipped"]) <= 2


def test_numbers_out_of_range_and_a_missing_guard_are_refused(line_loss):
    assert_refused(
        lambda loss_fn=line_loss, **numbers: dynamic_loss_scale(loss_fn, **numbers),
        ({"initial": 0.5}, ValueError, "initial: expected a number from 1, finite, got 0.5"),
        ({"growth_interval": 0}, ValueError, "growth_interval: expected a whole number from 1"),
        ({"factor": 1.0}, ValueError, "factor: expected a number above 1, got 1"),
        (pj.gradient(line_loss), TypeError, "dynamic_loss_scale: expected a loss"),
    )
    scaled = dynamic_loss_scale(line_loss)
    needed = r"needs skip_nonfinite; add pj.hooks.skip_nonfinite\(\)"
    for grad_fn in (scaled, accumulate(scaled, 2)):
        with pytest.raises(ValueError, match=needed):
            pj.train_step(grad_fn, optax.sgd(0.1))
