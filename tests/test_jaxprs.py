"""What a program within a program says, and nothing else, is compiled with it."""

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._jaxprs import Live

KEY = jax.random.key(3)


def drawn(tree, key):
    """The key is of no use to the results; a callback has its effect without one."""
    jax.random.normal(key, (3,))
    jax.debug.callback(lambda x: SEEN.append(float(x)), tree["a"].sum())
    return {"b": 2 * tree["a"], "key": key}, tree["a"].sum()


SEEN = []


def test_what_nobody_reads_is_dropped_and_effects_stay():
    live = Live(drawn)
    text = str(jax.make_jaxpr(live)({"a": jnp.ones(3)}, KEY))
    assert "random_bits" not in text
    assert "callback" in text
    results, total = jax.jit(live)({"a": jnp.arange(3.0)}, KEY)
    jax.effects_barrier()
    assert results["b"].tolist() == [0, 2, 4]
    assert results["key"] == KEY
    assert (float(total), SEEN) == (3, [3])


def test_each_form_of_the_inputs_is_traced_once():
    traced = []
    live = Live(lambda x: traced.append(x.shape) or x * 2)
    assert jax.eval_shape(live, jnp.ones(2)).shape == (2,)
    loop = jax.jit(lambda x: jax.lax.fori_loop(0, 3, lambda _, own: live(own), x))
    assert loop(jnp.ones(2)).tolist() == [8, 8]
    assert live(jnp.ones((1, 3))).tolist() == [[2, 2, 2]]
    assert live(np.float32(4)) == 8
    assert traced == [(2,), (1, 3), ()]


def test_without_compilation_a_function_is_called_line_by_line():
    seen = []
    live = Live(lambda x: seen.append(type(x)) or x + 1)
    with jax.disable_jit():
        assert live(jnp.float32(1)) == 2
        assert live(jnp.float32(2)) == 3
    assert not any(issubclass(kind, jax.core.Tracer) for kind in seen)
    assert len(seen) == 2
