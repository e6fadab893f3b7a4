"""Every transformation through host memory and back: the rest is equal bit for bit."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
from contract import BATCHES, OPTIMIZER, at, run, trainer_of

import paramjax as pj


@OPTIMIZER
def test_resumed(name):
    trainer = trainer_of(name, hooks=[pj.ema(0.5)])
    whole, end = run(trainer)
    _, middle = run(trainer, at(BATCHES, slice(2)))
    state = jax.tree.map(_through_the_host, middle)
    rest, resumed = run(trainer, at(BATCHES, slice(2, None)), state)
    chex.assert_trees_all_equal(resumed, end)
    chex.assert_trees_all_equal(rest, whole[2:])


def _through_the_host(leaf):
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(np.asarray(jax.random.key_data(leaf)))
    return jnp.asarray(np.asarray(leaf))
