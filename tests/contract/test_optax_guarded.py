"""Every transformation under a guard: a batch of NaN leaves the run that had none."""

import jax
import jax.numpy as jnp
from contract import BATCHES, OPTIMIZER, assert_close, at, hand, run, trainer_of

import paramjax as pj


@OPTIMIZER
def test_guarded(name):
    poisoned = jax.tree.map(lambda leaf: leaf.at[1].set(jnp.nan), BATCHES)
    ours, state = run(trainer_of(name, hooks=[pj.skip_nonfinite()]), poisoned)
    theirs, _ = hand(name, at(BATCHES, jnp.array([0, 2, 3])))
    assert_close([ours[0], *ours[2:]], theirs)
    assert int(state.hook_state[0].value) == 1
    assert int(state.step) == 4
