"""What is computed on the host equals what is compiled, bit for bit, and compiles nothing."""

import jax
import jax.monitoring
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from paramjax import hooks, optim, train_step
from paramjax._partial import evaluated, pending

KEY = jax.random.key(5)
PARAMS = {"a": jnp.arange(6.0).reshape(2, 3), "b": jnp.ones(2, jnp.bfloat16)}


@pytest.fixture
def compilations():
    """Programs that XLA compiles or fetches from its cache meanwhile."""
    seen = []

    def listen(event, duration, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            seen.append(duration)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield seen
    jax.monitoring.unregister_event_duration_listener(listen)


def assert_same(ours, theirs):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for one, other in zip(*map(jax.tree.leaves, (ours, theirs)), strict=True):
        assert one.aval == other.aval
        if jnp.issubdtype(one.dtype, jax.dtypes.prng_key):
            one, other = map(jax.random.key_data, (one, other))
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def keys_and_numbers(key, seed):
    """All that numpy computes."""
    one, other = jax.random.split(key)
    many = jax.random.split(other, (2, 3))
    words = jax.random.bits(one, (3, 5))
    return {
        "keys": (one, many, many.T, jax.random.fold_in(one, 2**31), jax.random.clone(many[1])),
        "each": jax.vmap(jax.random.fold_in)(many[0], jnp.arange(3)),
        "some": jax.vmap(lambda key: jax.random.bits(key, (2,)))(many[:, 1]),
        "seed": (jax.random.key(seed), jax.random.PRNGKey(seed)),
        "raw": jax.random.key_data(one),
        "words": (words, words * words, words >> 3, ~words, -words.astype(jnp.int32) >> 3),
        "order": (words < 99, jnp.where(words > 9, words, 7), jnp.minimum(words, 9)),
        "views": (words.T, words[::2, 1:], words[None], words.reshape(5, 3), jnp.flip(words, 1)),
        "casts": (jnp.arange(4).astype(float), words.astype(jnp.int8), words[0, 0] == 0),
        "zeros": (jnp.zeros(3), jnp.zeros((2, 1), jnp.bfloat16), jnp.full(2, jnp.inf, float)),
        "scalars": (1.0, 3, True, jnp.float32(2)),
        "itself": key,
        "seeded": seed,
    }  # fmt: skip


def test_keys_and_whole_numbers_need_no_compiler(compilations):
    ours = evaluated(keys_and_numbers, KEY, -3)
    assert compilations == []
    assert_same(ours, jax.jit(keys_and_numbers)(KEY, -3))


def draws(key, scale):
    """What XLA has to finish, one way or the other."""
    first, second = jax.random.split(key)
    return {
        "normal": scale * jax.random.normal(first, (5, 3)),
        "uniform": jax.random.uniform(second, (4,), minval=-1.0, maxval=scale),
        "half": jax.random.normal(first, (3,), jnp.bfloat16),
        "bytes": jax.random.bits(second, (5,), jnp.uint8),
        "order": jax.random.permutation(second, 6),
        "folded": jnp.sqrt(0.3) / 0.7 + jax.scipy.special.erf(0.3),
        "weak": jnp.full(3, 2.0),
        "loop": jax.lax.fori_loop(0, 3, lambda _, k: jax.random.split(k)[0], first),
        "sine": jax.jit(jnp.sin)(scale),
        "zeros": jnp.zeros(3),
    }


def test_the_rest_is_compiled_as_the_whole_would_be():
    jitted = jax.jit(draws)
    assert_same(evaluated(jitted, KEY, 0.5), jitted(KEY, 0.5))
    with jax.disable_jit():
        assert evaluated(lambda key: jax.random.split(key), KEY).shape == (2,)


def layers(key):
    """Kernels of one shape, of which some are scaled otherwise, one that two results share."""
    draw = jax.jit(jax.random.truncated_normal, static_argnums=(1, 2, 3))
    made = [draw(own, -2.0, 2.0, (4, 3)) * 0.3 for own in jax.random.split(key, 5)]
    other = draw(jax.random.fold_in(key, 1), -2.0, 2.0, (4, 3)) * 0.7
    shared = draw(jax.random.fold_in(key, 2), -2.0, 2.0, (2, 3)) * 0.5
    return made, other, (shared, shared.sum(0)), jnp.sin(jnp.arange(4.0)), jnp.full(2, 1.0)


def test_equal_layers_share_a_program(compilations):
    ours = evaluated(layers, KEY)
    assert len(compilations) == 2, "one program for the equal ones, one for the rest"
    assert_same(ours, jax.jit(layers)(KEY))


@pytest.mark.parametrize("scale", [0.02, 0.125])
def test_kernels_that_are_scaled_have_the_bits_of_one_program(scale):
    """XLA folds factors that follow each other, so a part must not end between them."""
    draw = lambda key: [scale * jax.random.normal(own, (8,)) for own in jax.random.split(key, 4)]
    assert_same(evaluated(draw, KEY), jax.jit(draw)(KEY))


def test_other_generators_are_compiled():
    key = jax.random.key(0, impl="rbg")
    draw = lambda key: (jax.random.split(key), jnp.zeros(2))
    assert_same(evaluated(draw, key), jax.jit(draw)(key))


@pytest.mark.parametrize("name", sorted(optim.CATALOGUE))
def test_first_states_of_every_optimizer(name):
    optimizer = optim.get(name)
    tx = optimizer.factory(*([0.1] if "learning_rate" in optimizer.space else []))
    assert_same(evaluated(tx.init, PARAMS), jax.jit(tx.init)(PARAMS))


def test_the_first_state_of_a_trainer_is_not_compiled(compilations):
    loss_fn = lambda params, batch, key: (sum(jax.tree.leaves(params)).sum(), {})
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(0.1))
    trainer = train_step(loss_fn, tx, hooks=[hooks.ema(0.9), hooks.skip_nonfinite()])
    start = lambda key, params: (trainer.init(key, params), jax.tree.map(jnp.copy, params))
    state, copied = evaluated(start, KEY, PARAMS)
    assert compilations == []
    assert_same((state, copied), jax.jit(start)(KEY, PARAMS))


def test_results_have_memory_of_their_own(compilations):
    given = jnp.arange(3.0)
    host = np.arange(64.0, dtype=np.float32)
    del compilations[:]
    ours = evaluated(lambda x, y: (x, jnp.copy(x), jnp.zeros(3), jnp.zeros(3), y), given, host)
    assert compilations == []
    places = {leaf.unsafe_buffer_pointer() for leaf in ours}
    assert len(places | {given.unsafe_buffer_pointer(), host.ctypes.data}) == 7
    spent = jax.jit(lambda leaves: [leaf + 1 for leaf in leaves], donate_argnums=0)(ours)
    assert spent[3].tolist() == [1, 1, 1]
    assert host[1] == 1 == given[1]


def test_a_traced_call_is_compiled_with_its_caller():
    shape = jax.eval_shape(lambda key: evaluated(jax.random.split, key), KEY)
    assert shape.shape == (2,)


def test_results_are_bound_to_the_device_of_the_arguments_that_count():
    there = jax.devices()[-1]
    start = jax.jit(lambda key, x: (jax.random.normal(key, (2,)), jnp.zeros(3), jnp.sin(1.0)))
    for given in ((jax.device_put(KEY, there), 0.0), (KEY, jax.device_put(0.0, there))):
        for ours, theirs in zip(evaluated(start, *given), start(*given), strict=True):
            assert (ours.committed, ours.devices()) == (theirs.committed, theirs.devices())


def test_arrays_that_are_there_while_something_else_is_traced():
    given = jnp.arange(3)
    shapes = jax.eval_shape(
        lambda: evaluated(lambda key, x: (jax.random.split(key), x), KEY, given)
    )
    assert [own.shape for own in shapes] == [(2,), (3,)]


def test_a_function_is_compiled_once(compilations):
    jitted = jax.jit(lambda key: jax.random.normal(key, (2,)))
    first = pending(jitted, KEY)
    assert compilations == []
    first()
    assert len(compilations) == 1
    evaluated(jitted, jax.random.key(6))
    assert len(compilations) == 1
