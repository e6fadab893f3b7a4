"""Every optimizer of the catalogue, held to one contract.

The standard ones and a representative of each other mechanism run with `make test`, all of them
with `make test-all`.
"""

import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib as contrib
import pytest

import paramjax as pj
from paramjax.optim import CATALOGUE, STANDARD, get
from paramjax.space import check_space

QUICK = {*STANDARD, "prodigy", "momo", "schedule_free_adamw"}


def each(names):
    """One test per name; slow unless it is standard or stands for a mechanism."""
    return pytest.mark.parametrize(
        "name",
        [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in sorted(names)],
    )


EVERY = each(CATALOGUE)
RATE = {"adagrad": 1.0, "lion": 0.02, "sign_sgd": 0.02, "signum": 0.01, "adadelta": 30.0}

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
    "sign_sgd": lambda: optax.sign_sgd(0.1),
    "signum": lambda: optax.chain(optax.trace(0.9), optax.sign_sgd(0.1)),
    "adadelta": lambda: optax.adadelta(0.1),
    "adamax": lambda: optax.adamax(0.1),
    "nadam": lambda: optax.nadam(0.1),
    "amsgrad": lambda: optax.amsgrad(0.1),
    "yogi": lambda: optax.yogi(0.1),
    "radam": lambda: optax.radam(0.1),
    "adabelief": lambda: optax.adabelief(0.1),
    "novograd": lambda: optax.novograd(0.1),
    "lamb": lambda: optax.lamb(0.1),
    "adan": lambda: optax.adan(0.1),
    "adopt": lambda: contrib.adopt(0.1),
    "ademamix": lambda: contrib.ademamix(0.1),
}

# the same for methods that find their rate, at optax's defaults or at a rate that is left to them
FOUND = {
    "prodigy": contrib.prodigy,
    "dadapt_adamw": contrib.dadapt_adamw,
    "dog": contrib.dog,
    "dowg": contrib.dowg,
    "cocob": contrib.cocob,
    "momo": lambda: contrib.momo(0.1),
    "momo_adam": lambda: contrib.momo_adam(0.1),
    "schedule_free_sgd": lambda: contrib.schedule_free_sgd(0.1),
    "schedule_free_adamw": lambda: contrib.schedule_free_adamw(0.1),
}

# hyperparameters that are decays of averages
DECAYS = {
    "momentum": ("momentum",),
    "nesterov": ("momentum",),
    "rmsprop": ("decay",),
    "signum": ("momentum",),
    "momo": ("momentum",),
    "schedule_free_sgd": ("b1",),
    "adadelta": ("rho",),
    **dict.fromkeys(
        ("adam", "adamw", "nadamw", "lion", "adan", "prodigy", "schedule_free_adamw", "lamb"),
        ("b1", "b2"),
    ),
}


def made(name, rate=None, **more):
    """An optimizer at a learning rate, or at its own if there is nothing to search."""
    optimizer = get(name)
    if optimizer.space:
        more["learning_rate"] = RATE.get(name, 0.1) if rate is None else rate
    return optimizer.factory(**more)


def bowl(params, batch, key):
    """A convex bowl with its minimum at 1, where every optimizer must end up."""
    return 0.5 * sum(jnp.sum((leaf - 1.0) ** 2) for leaf in jax.tree.leaves(params)), {}


def train_both(ours, theirs, gradient):
    """Several updates by each of two transformations, which must lead to the same parameters."""
    ours, theirs = map(optax.with_extra_args_support, (ours, theirs))
    p = q = {"w": jnp.array([2.0, -1.0, 0.3]), "b": jnp.array([0.1])}
    s, t = ours.init(p), theirs.init(q)
    for step in range(6):
        loss = jnp.float32(2.0 / (1 + step))
        g = jax.tree.map(lambda leaf, k=step: gradient(leaf, k), p)
        u, s = ours.update(g, s, p, value=loss)
        v, t = theirs.update(g, t, q, value=loss)
        p, q = optax.apply_updates(p, u), optax.apply_updates(q, v)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), p, q)


@EVERY
def test_equals_its_optax_alias(name):
    ours, theirs = made(name, 0.1), (ALIASES | FOUND)[name]()
    train_both(ours, theirs, lambda leaf, step: jnp.sin((jnp.arange(leaf.size) + 1) * (step + 1)))


@each(ALIASES)
def test_goes_through_the_common_chain(name):
    """L2, clip, optimizer, decay, schedule: as separate optax links in this order."""
    schedule = optax.linear_schedule(0.1, 0.05, 3)
    factory = get(name).factory
    theirs = optax.chain(
        optax.add_decayed_weights(0.02),
        optax.clip(0.4),
        optax.clip_by_global_norm(0.5),
        factory(learning_rate=1.0, weight_decay=0.0),  # its update is -direction
        optax.scale(-1.0),
        optax.add_decayed_weights(0.01),
        optax.scale_by_learning_rate(schedule),
    )
    ours = factory(
        learning_rate=schedule, l2=0.02, clip_value=0.4, clip_norm=0.5, weight_decay=0.01
    )
    train_both(ours, theirs, lambda leaf, step: (jnp.arange(leaf.size) - 0.7) * (step + 1))


@each(FOUND)
def test_a_method_that_finds_its_rate_sees_the_gradient_as_the_chain_does(name):
    before = optax.chain(
        optax.add_decayed_weights(0.02), optax.clip(0.4), optax.clip_by_global_norm(0.5)
    )
    ours = made(name, 0.1, l2=0.02, clip_value=0.4, clip_norm=0.5)
    theirs = optax.chain(before, FOUND[name]())
    train_both(ours, theirs, lambda leaf, step: (jnp.arange(leaf.size) - 0.7) * (step + 1))


@EVERY
def test_converges_traces_once_and_keeps_dtypes(name, key):
    trainer = pj.train_step(bowl, made(name, clip_norm=10.0))
    state = trainer.init(key, {"w": jnp.zeros(3), "b": jnp.zeros((), jnp.bfloat16)})
    chex.clear_trace_counter()
    step = jax.jit(chex.assert_max_traces(trainer.step, n=1))
    dtypes = jax.tree.map(lambda leaf: leaf.dtype, state)
    for _ in range(150):
        state, metrics = step(state, None)
    chex.assert_trees_all_equal(dtypes, jax.tree.map(lambda leaf: leaf.dtype, state))
    assert float(bowl(trainer.eval_params(state), None, None)[0]) < 0.05
    if name in ALIASES:
        assert float(metrics["learning_rate"]) == pytest.approx(RATE.get(name, 0.1))


@EVERY
def test_its_space_names_arguments_that_can_be_traced(name):
    optimizer = get(name)
    low = {n: d.quantile(0.1) for n, d in check_space(optimizer.space).items()}
    high = {n: d.quantile(0.9) for n, d in optimizer.space.items()}
    stacked = jax.tree.map(lambda a, b: jnp.array([a, b]), low, high)
    params, grads = jnp.ones(3), jnp.array([0.1, -0.2, 0.3])

    def first_update(hyperparameters):
        tx = optax.with_extra_args_support(optimizer.factory(**hyperparameters))
        return tx.update(grads, tx.init(params), params, value=0.1)[0]

    assert any(character.isdigit() for character in optimizer.source)
    if not optimizer.space:
        return
    both = jax.vmap(first_update)(stacked)
    np.testing.assert_allclose(both[0], first_update(low), rtol=1e-5)
    np.testing.assert_allclose(both[1], first_update(high), rtol=1e-5)
    assert "learning_rate" in optimizer.space


@EVERY
def test_numbers_out_of_range_are_refused(name):
    factory = get(name).factory
    takes_rate = name != "cocob"
    for rate in (float("nan"), float("inf"), -0.1) * takes_rate:
        with pytest.raises(ValueError, match="learning_rate: expected a number from 0, finite"):
            factory(learning_rate=rate)
    for argument, value in itertools.product(DECAYS.get(name, ()), (1.0, -0.1, float("nan"))):
        with pytest.raises(ValueError, match=f"{argument}: expected a number from .*, below 1"):
            factory(learning_rate=0.1, **{argument: value})
    for argument in ("clip_value", "clip_block_norm", "clip_norm", "l2"):
        with pytest.raises(ValueError, match=f"{argument}: expected a number from"):
            made(name, **{argument: -1.0})


TRACED = {
    "prodigy": {"b1": 0.8, "b2": 0.99, "first_estimate": 1e-3, "weight_decay": 0.01},
    "dadapt_adamw": {"b1": 0.8, "b2": 0.99, "first_estimate": 1e-3, "weight_decay": 0.01},
    "dog": {"first_distance": 1e-2, "learning_rate": 0.5},
    "dowg": {"first_distance": 1e-1, "learning_rate": 0.5},
    "cocob": {"alpha": 10.0},
    "momo": {"momentum": 0.8, "lower_bound": 0.1, "weight_decay": 0.01},
    "momo_adam": {"b1": 0.8, "b2": 0.99, "lower_bound": 0.1, "weight_decay": 0.01},
    "schedule_free_sgd": {"b1": 0.8, "weight_decay": 0.01},
    "schedule_free_adamw": {"b1": 0.8, "b2": 0.99, "weight_decay": 0.01},
}


@each(FOUND)
def test_every_number_of_a_method_may_be_traced_in_every_precision(name):
    numbers = {**TRACED[name], "l2": 0.01, "clip_value": 0.5, "clip_block_norm": 1.0}
    numbers.setdefault("learning_rate", 0.1)
    if name == "cocob":
        del numbers["learning_rate"]

    def end(numbers, dtype=jnp.bfloat16):
        start = jnp.array([0.2, -0.5], dtype)
        trainer = pj.train_step(bowl, get(name).factory(**numbers))
        state = trainer.init(jax.random.key(0), start)
        return jax.lax.scan(trainer.step, state, None, length=3)[0].params

    with jax.enable_x64(True):
        wide = jax.eval_shape(lambda numbers: end(numbers, jnp.float64), numbers)
    assert wide.dtype == jnp.float64
    traced = jax.jit(end)(numbers)
    assert traced.dtype == jnp.bfloat16
    # a bit of bfloat16: numbers that are known are folded in another order
    np.testing.assert_allclose(traced.astype(float), end(numbers).astype(float), rtol=0.01)


def test_unknown_optimizer_names_the_nearest():
    with pytest.raises(ValueError, match="unknown optimizer 'adamm'; nearest: adam"):
        get("adamm")
