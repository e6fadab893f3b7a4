import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.optim import adjustable_rate, by_path, can_lower, lower_rate, reduce_on_plateau

PARAMS = {"w": jnp.array([1.0, -2.0]), "b": jnp.array([0.5])}
INJECTED = optax.inject_hyperparams(optax.sgd)


def values(state, name):
    return [float(value) for _, value in optax.tree.get_all_with_path(state, name)]


# chain -> scales and rates after all were lowered to a half
RATES = {
    "the adjustable one before a plateau": (
        optax.chain(adjustable_rate(), reduce_on_plateau(), INJECTED(0.2)),
        ([0.5, 1.0], [0.2]),
    ),
    "a plateau before an injected rate": (
        optax.chain(reduce_on_plateau(), INJECTED(0.2)),
        ([0.5], [0.2]),
    ),
    "the last of a kind": (
        optax.chain(reduce_on_plateau(), optax.identity(), reduce_on_plateau()),
        ([1.0, 0.5], []),
    ),
    "an injected rate": (INJECTED(0.2), ([], [0.1])),
    "the outermost: injected around a plateau": (
        optax.inject_hyperparams(
            lambda learning_rate: optax.chain(optax.sgd(learning_rate), reduce_on_plateau())
        )(0.2),
        ([1.0], [0.1]),
    ),
    "the outermost: a link before what lies in a group": (
        optax.chain(by_path({"b": optax.identity(), "w": adjustable_rate()}), INJECTED(0.2)),
        ([1.0], [0.1]),
    ),
    "the last of nested chains": (
        optax.chain(
            optax.chain(optax.sgd(0.1), adjustable_rate()),
            optax.chain(reduce_on_plateau(), optax.identity()),
        ),
        ([1.0, 0.5], []),
    ),
    "one in each group": (
        by_path({"b": optax.chain(optax.sgd(0.1), adjustable_rate()), "w": INJECTED(0.2)}),
        ([0.5], [0.1]),
    ),
    "one in each mask": (
        optax.chain(
            optax.masked(INJECTED(0.2), {"w": True, "b": False}),
            optax.masked(INJECTED(0.4), {"w": False, "b": True}),
        ),
        ([], [0.1, 0.2]),
    ),
    "a plateau where the injected rate is a schedule": (
        optax.inject_hyperparams(
            lambda learning_rate: optax.chain(optax.sgd(learning_rate), reduce_on_plateau())
        )(lambda step: 0.2),
        ([0.5], None),
    ),
}


@pytest.mark.parametrize("name", list(RATES))
def test_one_rate_is_lowered_and_every_update_shrinks_once(name):
    tx, (expected_scales, expected_rates) = RATES[name]
    state = tx.init(PARAMS)
    lowered = jax.jit(lower_rate)(state, 0.5)
    assert can_lower(state)
    assert jax.tree.structure(lowered) == jax.tree.structure(state)
    assert values(lowered, "scale") == pytest.approx(expected_scales)
    if expected_rates is not None:
        assert values(lowered, "learning_rate") == pytest.approx(expected_rates)
    assert [leaf.dtype for leaf in jax.tree.leaves(lowered)] == [
        jnp.result_type(leaf) for leaf in jax.tree.leaves(state)
    ]
    before, _ = tx.update(PARAMS, state, PARAMS)
    after, _ = tx.update(PARAMS, lowered, PARAMS)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, 0.5 * b, rtol=1e-6), after, before)


def test_players_have_a_rate_each():
    losses = {
        "a": lambda params, batch, key: (jnp.sum(params["a"] ** 2), {}),
        "b": lambda params, batch, key: (jnp.sum(params["b"] ** 2), {}),
    }
    txs = {"a": optax.chain(optax.sgd(0.1), adjustable_rate()), "b": INJECTED(0.2)}
    trainer = pj.trainers.alternating(losses, txs)
    state = trainer.init(jax.random.key(0), {"a": jnp.ones(2), "b": jnp.ones(2)})
    lowered, _ = trainer.step(lower_rate(state, 0.5), None)
    # from 1, a gradient of 2: half of 0.1 * 2 and half of 0.2 * 2
    np.testing.assert_allclose(lowered.params["a"], 0.9, rtol=1e-6)
    np.testing.assert_allclose(lowered.params["b"], 0.8, rtol=1e-6)


@pytest.mark.parametrize(
    "tx",
    [optax.adamw(1e-3), INJECTED(lambda step: 0.1), INJECTED(1), pj.optim.get("adam").factory(0.1)],
    ids=["plain", "schedule", "whole number", "catalogue"],
)
def test_a_chain_without_such_a_rate_is_refused(tx):
    state = tx.init(PARAMS)
    assert not can_lower(state)
    with pytest.raises(ValueError, match=r"lower_rate: expected a rate that can.*adjustable_rate"):
        lower_rate(state, 0.5)


def test_a_negative_factor_is_refused():
    with pytest.raises(ValueError, match="factor: expected a number from 0"):
        lower_rate(adjustable_rate().init(PARAMS), -1.0)
