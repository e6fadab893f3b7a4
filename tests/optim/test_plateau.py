import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

import paramjax as pj
from paramjax.optim import (
    PlateauState,
    adjustable_rate,
    by_path,
    has_plateau,
    lower_rate,
    reduce_on_plateau,
    update_plateau,
)

PARAMS = {"w": jnp.array([1.0, -2.0]), "b": jnp.array([0.5])}
SCORES = np.random.default_rng(0).uniform(0.5, 1.5, 60).astype(np.float32) / np.sqrt(
    np.arange(1, 61, dtype=np.float32)
)
SETTINGS = [
    {"factor": 0.5, "patience": 1},
    {"factor": 0.1, "patience": 3, "min_delta": 0.01},
    {"factor": 0.7, "patience": 2, "cooldown": 3},
    {"factor": 0.5, "patience": 2, "cooldown": 1, "min_scale": 0.2, "min_delta": 0.05},
]


def by_hand(scores, factor, patience, min_delta=0.0, min_scale=0.0, cooldown=0):
    """torch.optim.lr_scheduler.ReduceLROnPlateau.step, mode min, threshold_mode abs.

    PyTorch reduces when more than its patience were bad, here it is as many.
    """
    rate, best, bad, cooling, rates = 1.0, np.inf, 0, 0, []
    for score in scores.astype(np.float64):
        if score < best - min_delta:
            best, bad = score, 0
        else:
            bad += 1
        if cooling > 0:
            cooling -= 1
            bad = 0
        if bad > patience - 1:
            rate, cooling, bad = max(rate * factor, min_scale), cooldown, 0
        rates.append(rate)
    return np.array(rates)


def scales(tx, scores):
    """The scale after each validation."""

    def one(state, score):
        state = update_plateau(state, score)
        return state, state.scale

    return jax.lax.scan(one, tx.init(PARAMS), jnp.asarray(scores))[1]


@pytest.mark.parametrize("setting", SETTINGS)
def test_equals_pytorchs_rule_written_by_hand_and_optaxs(setting):
    found, expected = scales(reduce_on_plateau(**setting), SCORES), by_hand(SCORES, **setting)
    assert len(set(expected.tolist())) > 2
    np.testing.assert_allclose(found, expected, rtol=1e-5)

    own = {name: value for name, value in setting.items() if name != "min_delta"}
    delta = setting.get("min_delta", 1e-30)  # optax refuses 0; this is as little in float32
    theirs = optax.contrib.reduce_on_plateau(rtol=0.0, atol=delta, accumulation_size=1, **own)

    def one(state, score):
        _, state = theirs.update(PARAMS, state, value=score)
        return state, state.scale

    _, expected = jax.lax.scan(one, theirs.init(PARAMS), jnp.asarray(SCORES))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_scores_that_are_not_finite_count_as_no_improvement():
    scores = np.float32([2.0, np.inf, np.nan, -np.inf, 1.0, 1.5])
    found = scales(reduce_on_plateau(factor=0.5, patience=3), scores)
    assert found.tolist() == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5]
    state = update_plateau(reduce_on_plateau().init(PARAMS), jnp.inf)
    assert (int(state.waited), float(state.best)) == (1, np.finfo(np.float32).max)


def test_a_scale_below_the_smallest_is_never_raised():
    tx = reduce_on_plateau(factor=0.5, patience=1, min_scale=0.4)
    state = lower_rate(update_plateau(tx.init(PARAMS), 1.0), 0.1)
    assert float(update_plateau(state, 2.0).scale) == pytest.approx(0.1)


def test_updates_are_scaled_in_their_own_dtype():
    params = {"half": jnp.ones(3, jnp.bfloat16), "full": jnp.ones(3)}
    for tx in (reduce_on_plateau(), adjustable_rate()):
        updates, _ = tx.update(params, lower_rate(tx.init(params), 0.25))
        assert jax.tree.map(lambda u: (u.dtype, u.tolist()), updates) == {
            "half": (jnp.bfloat16, [0.25] * 3),
            "full": (jnp.float32, [0.25] * 3),
        }


def test_only_plateaus_change_with_a_validation():
    trainer = pj.train_step(
        lambda params, batch, key: (optax.tree.norm(params, squared=True), {}),
        optax.chain(optax.adam(0.1), reduce_on_plateau(patience=1)),
        hooks=[pj.hooks.ema(0.9)],
    )
    state, _ = trainer.step(trainer.init(jax.random.key(0), PARAMS), None)
    after = update_plateau(update_plateau(state, 1.0), 1.0)
    assert float(after.opt_state[1].scale) == 0.5
    put_back = after._replace(opt_state=(after.opt_state[0], state.opt_state[1]))
    same = jax.tree.map(lambda a, b: bool((a == b).all()), put_back, state)
    assert all(jax.tree.leaves(same))
    assert has_plateau(state)
    assert not has_plateau(after.opt_state[0])


def test_it_is_compiled_and_donated_and_leaves_what_was_passed():
    factor = jnp.float32(0.25)
    tx = reduce_on_plateau(factor, patience=1)
    update = jax.jit(update_plateau, donate_argnums=0)
    for _ in range(2):  # a second start, after the first state is gone
        state = update(update(tx.init(PARAMS), 1.0), 2.0)
        assert float(state.scale) == 0.25
    assert float(factor) == 0.25
    assert len({id(leaf) for leaf in tx.init(PARAMS)}) == len(PlateauState._fields)


def test_settings_and_scores_are_mapped_over():
    def last(factor, patience, scores):
        return scales(reduce_on_plateau(factor, patience), scores)[-1]

    factors, patiences = jnp.array([0.5, 0.9]), jnp.array([1, 3])
    both = jax.vmap(last)(factors, patiences, jnp.stack([SCORES, SCORES[::-1]]))
    expected = [by_hand(SCORES, 0.5, 1)[-1], by_hand(SCORES[::-1], 0.9, 3)[-1]]
    np.testing.assert_allclose(both, expected, rtol=1e-5)


def wrapped(link):
    """What a user may put a chain into, with a gradient of ones, sgd at rate 0.1."""
    chain = optax.chain(optax.sgd(0.1), link)
    return {
        "by_path": by_path({"b": optax.set_to_zero(), ".*": chain}),
        "partition": optax.partition({"b": optax.set_to_zero(), "w": chain}, {"w": "w", "b": "b"}),
        "multi_steps": optax.MultiSteps(chain, 1),
        "apply_if_finite": optax.apply_if_finite(chain, 3),
        "masked": optax.masked(chain, {"w": True, "b": False}),
        "named_chain": optax.named_chain(("sgd", optax.sgd(0.1)), ("scale", link)),
        "nested": optax.chain(optax.clip_by_global_norm(1e6), chain),
    }


@pytest.mark.parametrize("name", list(wrapped(adjustable_rate())))
def test_it_passes_through_what_chains_are_wrapped_in(name):
    def loss_fn(params, batch, key):
        return jnp.sum(params["w"]) + jnp.sum(params["b"]), {}

    for link in (adjustable_rate(), reduce_on_plateau(patience=1, factor=0.5)):
        trainer = pj.train_step(loss_fn, wrapped(link)[name])
        state = trainer.init(jax.random.key(0), PARAMS)
        state = lower_rate(state, 0.5)
        state = update_plateau(update_plateau(state, 1.0), 1.0)
        after, _ = jax.jit(trainer.step)(state, None)
        expected = 0.05 if not has_plateau(state) else 0.025
        np.testing.assert_allclose(state.params["w"] - after.params["w"], expected, rtol=1e-5)


def test_the_learning_rate_among_the_metrics_stays():
    def loss_fn(params, batch, key):
        return jnp.sum(params["w"] ** 2), {}

    tx = optax.chain(pj.optim.chain(optax.identity(), 0.1), reduce_on_plateau(patience=1))
    trainer = pj.train_step(loss_fn, tx)
    state = update_plateau(update_plateau(trainer.init(jax.random.key(0), PARAMS), 1.0), 1.0)
    _, metrics = trainer.step(state, None)
    assert float(metrics["learning_rate"]) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("setting", "error", "message"),
    [
        ({"factor": 1.0}, ValueError, "factor: expected a number from 1e-30, below 1, got 1.0"),
        ({"factor": 0.0}, ValueError, "factor: expected a number from 1e-30, below 1, got 0.0"),
        ({"factor": float("nan")}, ValueError, "factor: expected a number"),
        ({"factor": None}, TypeError, "factor: expected a number, got None"),
        ({"factor": lambda step: 0.5}, TypeError, "factor: expected a number, got function"),
        ({"min_delta": -1.0}, ValueError, "min_delta: expected a number from 0, finite"),
        ({"min_scale": 1.0}, ValueError, "min_scale: expected a number from 0, below 1"),
        ({"patience": 0}, ValueError, "patience: expected a whole number from 1"),
        ({"patience": 1.5}, TypeError, "patience: expected a whole number, got float 1.5"),
        ({"patience": jnp.float32(2)}, TypeError, "patience: expected a whole number"),
        ({"cooldown": -1}, ValueError, "cooldown: expected a whole number from 0"),
    ],
)
def test_numbers_out_of_range_are_refused(setting, error, message):
    with pytest.raises(error, match=message):
        reduce_on_plateau(**setting)
