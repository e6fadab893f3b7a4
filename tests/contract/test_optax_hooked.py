"""Every transformation guarded against a batch of NaN, averaged, and resumed, all at once.

One program does for the three: the averages of all steps tell every iterate, so that a guard
that let anything through, or moved a state that it rejected, would be seen in them.
"""

import chex
import jax
import jax.numpy as jnp
import numpy as np
from contract import BATCHES, OPTIMIZER, assert_close, at, compiled, hand, run, trainer_of

import paramjax as pj

POISONED = jax.tree.map(lambda leaf: leaf.at[1].set(jnp.nan), BATCHES)


@OPTIMIZER
def test_guarded_averaged_and_resumed(name):
    trainer = trainer_of(name, hooks=[pj.hooks.skip_nonfinite(), pj.hooks.ema(0.5)])
    step = compiled(trainer)
    whole, end = run(trainer, POISONED, step=step)

    first, *rest = hand(name, at(BATCHES, jnp.array([0, 2, 3])))[0]
    assert_close(whole, _averages([first, first, *rest]))
    assert int(end.hook_state[0].value) == 1
    assert int(end.step) == 4

    _, middle = run(trainer, at(POISONED, slice(2)), step=step)
    state = jax.tree.map(_through_the_host, middle)
    after, resumed = run(trainer, at(POISONED, slice(2, None)), state, step=step)
    chex.assert_trees_all_equal(resumed, end)
    chex.assert_trees_all_equal(after, whole[2:])


def _averages(iterates):
    """The exponential moving averages of decay 1/2 after each step, corrected for their start."""
    return [_average(iterates[: count + 1]) for count in range(len(iterates))]


def _average(iterates):
    weights = [0.5 ** (len(iterates) - step) for step in range(len(iterates))]
    return jax.tree.map(
        lambda *leaves: sum(w * x for w, x in zip(weights, leaves, strict=True)) / sum(weights),
        *iterates,
    )


def _through_the_host(leaf):
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(np.asarray(jax.random.key_data(leaf)))
    return jnp.asarray(np.asarray(leaf))
