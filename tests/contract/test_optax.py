"""Every gradient transformation of optax through one step function, against optax alone.

A representative of each mechanism runs with `make test`, all of them with `make test-all`.
"""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_hand import MICROBATCHES, accumulated, loss_fn
from every_optax import COMBINED, DEPRECATED, EXPORTED, FACTORIES, OPTIMIZERS, PER_EXAMPLE
from harness import (
    BATCHES,
    PARAMS,
    RATE,
    assert_close,
    at,
    by_optax,
    compiled,
    each,
    run,
    trainer_of,
)  # fmt: skip

import paramjax as pj


def test_no_transformation_of_optax_is_left_out():
    assert set(EXPORTED) - set(FACTORIES) == DEPRECATED


@each(FACTORIES)
def test_plain(name):
    assert_close(run(trainer_of(name))[0], by_optax(name)[0])


@each(FACTORIES)
def test_equal_bits_where_the_arithmetic_is_equal(name):
    """Operation by operation, without a compiler that fuses them in its own way."""
    trainer = trainer_of(name)
    state = trainer.init(jax.random.key(0), PARAMS)
    for index in range(2):
        state, _ = trainer.step(state, at(BATCHES, index))
    theirs, opt_state = by_optax(name, at(BATCHES, slice(2)))
    chex.assert_trees_all_equal(trainer.eval_params(state), theirs[-1])
    chex.assert_trees_all_equal(state.opt_state, opt_state)


@each(OPTIMIZERS - PER_EXAMPLE, COMBINED)
def test_accumulated(name):
    grad_fn = pj.grads.accumulate(loss_fn, MICROBATCHES)
    ours, _ = run(pj.train_step(grad_fn, FACTORIES[name](RATE)))
    assert_close(ours, by_optax(name, gradient=accumulated)[0])


def test_gradients_of_each_example_cannot_be_accumulated():
    with pytest.raises(ValueError, match="got gradients per example"):
        pj.grads.accumulate(pj.grads.per_example(loss_fn), MICROBATCHES)


def in_bfloat16(params, batch, key):
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), (params, batch))
    return loss_fn(*half, key)[0].astype(jnp.float32), {}


@each(OPTIMIZERS, COMBINED)
def test_mixed_precision(name):
    """The loss in bfloat16, the optimizer in float32."""
    ours, state = run(trainer_of(name, pj.losses.mixed_precision(loss_fn)))
    assert {leaf.dtype for leaf in jax.tree.leaves(state.params)} == {jnp.dtype("float32")}
    # eight bits of fraction: the compiler keeps more of them between operations that it fuses
    assert_close(ours, by_optax(name, loss=in_bfloat16)[0], rtol=0.05)


@each(OPTIMIZERS, COMBINED)
def test_mapped_over_learning_rates(name):
    def final(rate):
        trainer = trainer_of(name, rate=rate)
        state = trainer.init(jax.random.key(0), PARAMS)
        state, _ = jax.lax.scan(trainer.step, state, BATCHES)
        return trainer.eval_params(state)

    rates = (0.02, RATE)
    both = jax.jit(jax.vmap(final))(jnp.array(rates))
    for index, rate in enumerate(rates):
        assert_close(at(both, index), by_optax(name, rate=rate)[0][-1])


@each(OPTIMIZERS, COMBINED)
def test_guarded_averaged_and_resumed(name):
    """In one program: the averages of all steps hold every iterate, so that a guard that let a
    batch of NaN through, or moved a state that it rejected, would show in them.
    """
    trainer = trainer_of(name, hooks=[pj.hooks.skip_nonfinite(), pj.hooks.ema(0.5)])
    step = compiled(trainer)
    poisoned = jax.tree.map(lambda leaf: leaf.at[1].set(jnp.nan), BATCHES)
    whole, end = run(trainer, poisoned, step=step)

    first, *rest = by_optax(name, at(BATCHES, jnp.array([0, 2, 3])))[0]
    assert_close(whole, averages([first, first, *rest]))
    assert int(end.hook_state[0].value) == 1
    assert int(end.step) == 4

    _, middle = run(trainer, at(poisoned, slice(2)), step=step)
    state = jax.tree.map(through_the_host, middle)
    after, resumed = run(trainer, at(poisoned, slice(2, None)), state, step=step)
    chex.assert_trees_all_equal(resumed, end)
    chex.assert_trees_all_equal(after, whole[2:])


def averages(iterates):
    """After each step, the exponential average of decay 1/2, corrected for its start."""

    def average(*leaves):
        weights = [0.5 ** (len(leaves) - step) for step in range(len(leaves))]
        return sum(w * x for w, x in zip(weights, leaves, strict=True)) / sum(weights)

    return [jax.tree.map(average, *iterates[: count + 1]) for count in range(len(iterates))]


def through_the_host(leaf):
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(np.asarray(jax.random.key_data(leaf)))
    return jnp.asarray(np.asarray(leaf))
