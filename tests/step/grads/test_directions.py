"""Private: no public function returns a direction or an estimator's own key."""

import jax
import jax.numpy as jnp
import numpy as np

from paramjax.step.grads._directions import direction_key, draw_like, moved
from paramjax.step.grads._poisson import _SAMPLING


def test_one_flat_draw_is_cut_in_the_order_of_the_leaves(key):
    params = {"b": jnp.zeros(()), "w": jnp.zeros((2, 3)), "z": jnp.zeros((0, 4))}
    drawn = draw_like(jax.random.normal, key, params)
    assert jax.tree.map(jnp.shape, drawn) == jax.tree.map(jnp.shape, params)
    flat = np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(drawn)])
    np.testing.assert_array_equal(flat, jax.random.normal(key, (7,)))


def test_own_keys_differ_from_those_of_the_loss_and_of_the_steps(key):
    sampling = jax.random.fold_in(jax.random.fold_in(key, jnp.uint32(_SAMPLING)), 3)
    own = [direction_key(key), sampling]
    theirs = [key, *jax.random.split(key, 8), *(jax.random.fold_in(key, i) for i in range(8))]
    data = [tuple(jax.random.key_data(k).tolist()) for k in own + theirs[:1]]
    taken = {tuple(jax.random.key_data(k).tolist()) for k in theirs}
    assert len(set(data)) == 3
    assert not set(data[:2]) & taken


def test_parameters_in_few_bits_are_moved_before_they_are_rounded():
    """In bfloat16 the step of 0.004 itself would be 0.00399780273 and the sum another one."""
    far = moved(jnp.bfloat16(1.0), jnp.float32(1.0), 0.0041)
    assert far.dtype == jnp.bfloat16
    assert float(far) == 1.0078125
