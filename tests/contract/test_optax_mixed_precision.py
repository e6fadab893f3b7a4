"""Every transformation with its loss in bfloat16, and its own arithmetic in float32."""

import jax
import jax.numpy as jnp
from by_hand import loss_fn
from contract import OPTIMIZER, assert_close, hand, run, trainer_of

import paramjax as pj


def low(params, batch, key):
    """The loss in bfloat16, by hand."""
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), (params, batch))
    return loss_fn(*half, key)[0].astype(jnp.float32), {}


@OPTIMIZER
def test_mixed_precision(name):
    ours, state = run(trainer_of(name, pj.losses.mixed_precision(loss_fn)))
    assert {leaf.dtype for leaf in jax.tree.leaves(state.params)} == {jnp.dtype("float32")}
    # eight bits of fraction: the compiler keeps more of them between operations that it fuses
    assert_close(ours, hand(name, loss=low)[0], rtol=0.05)
