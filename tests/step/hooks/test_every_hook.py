"""One contract for all hooks, mostly with all of them in one step: few programs, many hooks."""

import functools
import inspect

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest
from comparing import at
from stepping import run_steps

import paramjax as pj
from paramjax import hooks

HOOKS = {
    "average_metrics": lambda: hooks.average_metrics("loss", "grad_norm", window=3),
    "best_params": hooks.best_params,
    "ema": lambda: hooks.ema(0.9),
    "monitor_groups": hooks.monitor_groups,
    "noise_scale": lambda: hooks.noise_scale(2),
    "polyak_average": lambda: hooks.polyak_average(1, 2),
    "sharpness": lambda: hooks.sharpness(2, iterations=2),
    "skip_nonfinite": hooks.skip_nonfinite,
    "skip_spikes": lambda: hooks.skip_spikes(warmup=2),
}


def quadratic(params, batch, key):
    """Half the mean squared distance of `w` to the rows, with a bias that is fitted, too."""
    error = batch - params["w"][None, :].astype(batch.dtype) - params["b"].astype(batch.dtype)
    return jnp.mean(jnp.sum(error**2, axis=1)) / 2, {}


def in_halves():
    """Accumulation over two halves of the batch of a loss that counts its calls."""
    counted = lambda params, calls, batch, key: (quadratic(params, batch, key)[0], (calls + 1, {}))
    return pj.grads.accumulate(counted, 2, stateful=True)


LABELS = {"w": "one", "b": "other"}
SGD, FREE = optax.sgd(0.1), optax.contrib.schedule_free_sgd(0.1)
TXS = {
    "adam": optax.adam(0.1),
    "lookahead": optax.lookahead(SGD, 5, 0.5),
    "schedule-free": FREE,
    "MultiSteps": optax.MultiSteps(optax.adam(0.1), 2),
    "apply_if_finite": optax.apply_if_finite(optax.adam(0.1), 3),
    "freeze": optax.chain(SGD, optax.freeze({"w": True, "b": False})),
    "masked": optax.masked(optax.adam(0.1), {"w": True, "b": False}),
    "partition": optax.partition({"one": FREE, "other": optax.set_to_zero()}, LABELS),
    "sam": optax.contrib.sam(SGD, optax.sgd(0.05), sync_period=2),
    "mechanize": optax.contrib.mechanize(SGD),
    "reduce_on_plateau": optax.chain(SGD, optax.contrib.reduce_on_plateau(patience=2)),
    "lbfgs": optax.lbfgs(),
}
PLAIN = ("adam", "lookahead", "schedule-free")
TRACED = {
    "ema decay": hooks.ema,
    "noise_scale decay": lambda value: hooks.noise_scale(1, decay=value),
    "skip_spikes threshold": lambda value: hooks.skip_spikes(value - 0.2, warmup=2),
    "skip_spikes decay": lambda value: hooks.skip_spikes(0.5, decay=value, warmup=2),
}

BATCHES = 1 + np.random.default_rng(0).normal(size=(6, 8, 3)).astype(np.float32)
PARAMS = {"w": np.array([0.5, -1.0, 2.0], np.float32), "b": np.float32(0.0)}


def every_hook(*without):
    return [hook() for name, hook in HOOKS.items() if name not in without]


def train(trainer, batches=BATCHES):
    return run_steps(trainer, PARAMS, jax.random.key(0), batches, model_state=jnp.int32(0))


def forms(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, str(leaf.dtype), leaf.weak_type), tree)


def test_every_hook_is_here_and_errors_call_it_by_its_name():
    functions = {name: getattr(hooks, name) for name in hooks.__all__}
    makes_a_hook = lambda f: inspect.isfunction(f) and f.__annotations__["return"] == "Hook"
    assert sorted(n for n, f in functions.items() if makes_a_hook(f)) == sorted(HOOKS)
    for name, make in HOOKS.items():
        with pytest.raises(ValueError, match=rf"hooks\[1\]: {name} is given twice"):
            pj.train_step(quadratic, optax.sgd(0.1), [make(), make()])


def test_one_trace_for_all_rates_under_jit_vmap_and_scan():
    traces = []

    def run(rate):
        traces.append(1)
        trainer = pj.train_step(quadratic, optax.sgd(rate), every_hook())
        state = trainer.init(jax.random.key(0), PARAMS)
        state, history = jax.lax.scan(trainer.step, state, BATCHES)
        return trainer.eval_params(state), state.hook_state, history

    together = jax.jit(jax.vmap(run))
    for rates in (jnp.array([0.1, 0.3]), jnp.array([0.02, 0.5])):
        population = together(rates)
    assert len(traces) == 1
    # float32 under vmap adds up in another order; sharpness iterates on the difference
    alone = jax.jit(run)(rates[1])
    chex.assert_trees_all_close(at(population, 1), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("tx", "dtype"), [*((tx, "float32") for tx in TXS), *((tx, "bfloat16") for tx in PLAIN)]
)
def test_the_state_keeps_its_form_under_every_wrapper(tx, dtype):
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), PARAMS)
    trainer = pj.train_step(in_halves(), TXS[tx], every_hook())
    first = lambda p: trainer.init(jax.random.key(0), p, jnp.int32(0))
    state = jax.eval_shape(first, params)
    after, metrics = jax.eval_shape(trainer.step, state, BATCHES[0])
    later, _ = jax.eval_shape(trainer.step, after, BATCHES[0])
    assert forms(after.hook_state) == forms(state.hook_state)
    assert forms(later) == forms(after)
    assert forms(jax.eval_shape(trainer.eval_params, after)) == forms(params)
    assert all(metric.shape == () for metric in metrics.values())


@pytest.mark.parametrize("name", TRACED)
def test_numbers_may_be_traced(name):
    def run(value):
        # at this rate the norms go up and down
        trainer = pj.train_step(quadratic, optax.sgd(0.4), [TRACED[name](value)])
        state = trainer.init(jax.random.key(0), PARAMS)
        state, history = jax.lax.scan(trainer.step, state, BATCHES)
        return trainer.eval_params(state), history

    population = jax.jit(jax.vmap(run))(jnp.array([0.2, 0.9]))
    chex.assert_trees_all_close(at(population, 1), jax.jit(lambda: run(0.9))(), rtol=1e-4)
    assert any((leaf[0] != leaf[1]).any() for leaf in jax.tree.leaves(population))


@pytest.mark.parametrize(
    "tx", [n if n == "schedule-free" else pytest.param(n, marks=pytest.mark.slow) for n in PLAIN]
)
def test_a_run_goes_as_without_them(tx):
    """Each hook alone would leave a trace in the run; all of them together leave none."""
    state, history = train(pj.train_step(in_halves(), TXS[tx], every_hook()))
    expected, plain = train(pj.train_step(in_halves(), TXS[tx]))
    strip = lambda state: state._replace(hook_state=(), key=())
    # schedule-free keeps a sum of steps of size 1, which rounds by an ulp of 1
    chex.assert_trees_all_close(strip(state), strip(expected), rtol=1e-6, atol=2**-23)
    chex.assert_trees_all_close(history["loss"], plain["loss"], rtol=1e-6)


@functools.cache
def run_without_the_third_batch():
    return train(pj.train_step(in_halves(), optax.adam(0.1)), np.delete(BATCHES, 2, axis=0))[0]


# skip_spikes rejects the lost step, too, and would hide what the others do with it
@pytest.mark.parametrize(
    ("order", "others"),
    [
        ("guard first", "all but skip_spikes"),
        ("guard last", "skip_spikes"),
        pytest.param("guard first", "skip_spikes", marks=pytest.mark.slow),
        pytest.param("guard last", "all but skip_spikes", marks=pytest.mark.slow),
    ],
)
def test_a_lost_step_leaves_nothing_behind(others, order):
    chosen = every_hook("skip_nonfinite", "skip_spikes")
    chosen = [HOOKS["skip_spikes"]()] if others == "skip_spikes" else chosen
    guard = pj.hooks.skip_nonfinite()
    chosen = [guard, *chosen] if order == "guard first" else [*chosen, guard]
    trainer = pj.train_step(in_halves(), optax.adam(0.1), chosen)
    spoilt = BATCHES.copy()
    # an even step: one on which monitors measure
    spoilt[2, 1, 0] = np.nan if order == "guard first" else np.inf
    state, history = train(trainer, spoilt)
    assert jnp.isfinite(history["loss"]).tolist() == [True, True, False, True, True, True]
    assert history["skipped"].tolist() == [0, 0, 1, 1, 1, 1]
    assert int(state.step) == 6
    expected = run_without_the_third_batch()
    chex.assert_trees_all_close(state.params, expected.params, rtol=1e-5)
    chex.assert_trees_all_close(state.opt_state, expected.opt_state, rtol=1e-5, atol=1e-8)
    assert int(state.model_state) == int(expected.model_state)
    for leaf in jax.tree.leaves((trainer.eval_params(state), state.hook_state)):
        assert jnp.isfinite(leaf).all()
    for metric, values in history.items():
        assert jnp.isfinite(values[-1]), metric
