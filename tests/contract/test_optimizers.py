"""Every optimizer of the catalogue, held to one contract."""

import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.optim import CATALOGUE, get
from paramjax.space import check_space

EVERY = pytest.mark.parametrize("name", sorted(CATALOGUE))
RATE = {"adagrad": 1.0, "lion": 0.02}

# the alias of optax that each is, with the same hyperparameters
ALIASES = {
    "sgd": lambda: optax.sgd(0.1),
    "momentum": lambda: optax.sgd(0.1, momentum=0.9),
    "nesterov": lambda: optax.sgd(0.1, momentum=0.9, nesterov=True),
    "adagrad": lambda: optax.adagrad(0.1),
    "rmsprop": lambda: optax.rmsprop(0.1),
    "adam": lambda: optax.adam(0.1),
    "adamw": lambda: optax.adamw(0.1, weight_decay=0.01),
    "nadamw": lambda: optax.nadamw(0.1, weight_decay=0.01),
    "lion": lambda: optax.lion(0.1, weight_decay=0.1),
}

# hyperparameters that are decays of averages
DECAYS = {
    "momentum": ("momentum",),
    "nesterov": ("momentum",),
    "rmsprop": ("decay",),
    **dict.fromkeys(("adam", "adamw", "nadamw", "lion"), ("b1", "b2")),
}


def bowl(params, batch, key):
    """A convex bowl with its minimum at 1, where every optimizer must end up."""
    return 0.5 * sum(jnp.sum((leaf - 1.0) ** 2) for leaf in jax.tree.leaves(params)), {}


def train_both(ours, theirs, gradient):
    """Several updates by each of two transformations, which must lead to the same parameters."""
    p = q = {"w": jnp.array([2.0, -1.0, 0.3]), "b": jnp.array([0.1])}
    s, t = ours.init(p), theirs.init(q)
    for step in range(6):
        u, s = ours.update(jax.tree.map(lambda leaf, k=step: gradient(leaf, k), p), s, p)
        v, t = theirs.update(jax.tree.map(lambda leaf, k=step: gradient(leaf, k), q), t, q)
        p, q = optax.apply_updates(p, u), optax.apply_updates(q, v)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), p, q)


@EVERY
def test_equals_its_optax_alias(name):
    ours, theirs = get(name).factory(learning_rate=0.1), ALIASES[name]()
    train_both(ours, theirs, lambda leaf, step: jnp.sin((jnp.arange(leaf.size) + 1) * (step + 1)))


@EVERY
def test_goes_through_the_common_chain(name):
    """Clip, optimizer, decay, schedule: as four separate optax links in this order."""
    schedule = optax.linear_schedule(0.1, 0.05, 3)
    factory = get(name).factory
    theirs = optax.chain(
        optax.clip_by_global_norm(0.5),
        factory(learning_rate=1.0, weight_decay=0.0),  # its update is -direction
        optax.scale(-1.0),
        optax.add_decayed_weights(0.01),
        optax.scale_by_learning_rate(schedule),
    )
    ours = factory(learning_rate=schedule, clip_norm=0.5, weight_decay=0.01)
    train_both(ours, theirs, lambda leaf, step: (jnp.arange(leaf.size) - 0.7) * (step + 1))


@EVERY
def test_converges_traces_once_and_keeps_dtypes(name, key):
    tx = get(name).factory(learning_rate=RATE.get(name, 0.1), clip_norm=10.0)
    trainer = pj.train_step(bowl, tx)
    state = trainer.init(key, {"w": jnp.zeros(3), "b": jnp.zeros((), jnp.bfloat16)})
    chex.clear_trace_counter()
    step = jax.jit(chex.assert_max_traces(trainer.step, n=1))
    dtypes = jax.tree.map(lambda leaf: leaf.dtype, state)
    for _ in range(150):
        state, metrics = step(state, None)
    chex.assert_trees_all_equal(dtypes, jax.tree.map(lambda leaf: leaf.dtype, state))
    assert float(metrics["loss"]) < 0.05
    assert float(metrics["learning_rate"]) == pytest.approx(RATE.get(name, 0.1))


@EVERY
def test_its_space_names_arguments_that_can_be_traced(name):
    optimizer = get(name)
    low = {n: d.quantile(0.1) for n, d in check_space(optimizer.space).items()}
    high = {n: d.quantile(0.9) for n, d in optimizer.space.items()}
    stacked = jax.tree.map(lambda a, b: jnp.array([a, b]), low, high)
    params, grads = jnp.ones(3), jnp.array([0.1, -0.2, 0.3])

    def first_update(hyperparameters):
        tx = optimizer.factory(**hyperparameters)
        return tx.update(grads, tx.init(params), params)[0]

    both = jax.vmap(first_update)(stacked)
    np.testing.assert_allclose(both[0], first_update(low), rtol=1e-5)
    np.testing.assert_allclose(both[1], first_update(high), rtol=1e-5)
    assert "learning_rate" in optimizer.space
    assert any(character.isdigit() for character in optimizer.source)


@EVERY
def test_numbers_out_of_range_are_refused(name):
    factory = get(name).factory
    for rate in (float("nan"), float("inf"), -0.1):
        with pytest.raises(ValueError, match="learning_rate: expected a number from 0, finite"):
            factory(learning_rate=rate)
    for argument, value in itertools.product(DECAYS.get(name, ()), (1.0, -0.1, float("nan"))):
        with pytest.raises(ValueError, match=f"{argument}: expected a number from 0, below 1"):
            factory(learning_rate=0.1, **{argument: value})


def test_unknown_optimizer_names_the_nearest():
    with pytest.raises(ValueError, match="unknown optimizer 'adamm'; nearest: adam"):
        get("adamm")
