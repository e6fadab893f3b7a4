"""Schedules by name are optax's, or their closed forms, after a linear warm-up."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.optim import SCHEDULES, schedule

STEPS, WARMUP, PEAK = 60, 10, 0.4
COUNTS = np.arange(71)
LEFT = STEPS - WARMUP


def cycle(steps, peak):
    return {"init_value": peak, "peak_value": peak, "warmup_steps": 0, "decay_steps": steps,
            "end_value": 0.1 * peak}  # fmt: skip


# name, options, and optax's schedule of 50 steps
CASES = [
    ("constant", {}, optax.constant_schedule(PEAK)),
    ("exponential", {}, optax.exponential_decay(PEAK, LEFT, 0.01, end_value=0.01 * PEAK)),
    ("exponential", {"decay_rate": 0.2, "staircase": 5},
     optax.exponential_decay(PEAK, 10, 0.2**0.2, staircase=True, end_value=0.2 * PEAK)),
    ("step", {}, optax.piecewise_constant_schedule(PEAK, {25: 0.1, 38: 0.1})),
    ("step", {"boundaries": (0.2,), "factor": 0.5},
     optax.piecewise_constant_schedule(PEAK, {10: 0.5})),
    ("polynomial", {}, optax.polynomial_schedule(PEAK, 0.0, 2, LEFT)),
    ("polynomial", {"power": 0.5, "end_factor": 0.1},
     optax.polynomial_schedule(PEAK, 0.1 * PEAK, 0.5, LEFT)),
    ("linear", {"end_factor": 0.2}, optax.linear_schedule(PEAK, 0.2 * PEAK, LEFT)),
    ("cosine", {}, optax.cosine_decay_schedule(PEAK, LEFT)),
    ("cosine", {"end_factor": 0.1, "exponent": 2.0},
     optax.cosine_decay_schedule(PEAK, LEFT, 0.1, 2.0)),
    ("one_cycle", {}, optax.cosine_onecycle_schedule(LEFT, PEAK)),
    ("one_cycle", {"shape": "linear", "pct_start": 0.4, "div_factor": 10.0},
     optax.linear_onecycle_schedule(LEFT, PEAK, 0.4, div_factor=10.0)),
    ("warm_restarts", {"end_factor": 0.1, "peak_factor": 0.5},
     optax.sgdr_schedule([cycle(7, PEAK), cycle(14, PEAK / 2), cycle(29, PEAK / 4)])),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "theirs"), CASES)
def test_each_is_optaxs_with_and_without_warmup_traced_or_not(name, options, theirs):
    expected = np.array([float(theirs(int(count))) for count in COUNTS])
    warmed = np.concatenate([np.linspace(0, expected[0], WARMUP, endpoint=False), expected])
    numbers = {k: v for k, v in options.items() if isinstance(v, float)}
    rest = {k: v for k, v in options.items() if k not in numbers}

    @jax.jit
    def values(peak, numbers):
        alone = schedule(name, peak, LEFT, **numbers, **rest)
        after = schedule(name, peak, STEPS, warmup_steps=WARMUP, **numbers, **rest)
        return jax.vmap(alone)(COUNTS), jax.vmap(after)(COUNTS)

    alone, after = values(PEAK, numbers)
    np.testing.assert_allclose(alone, expected, rtol=5e-6, atol=1e-7)
    np.testing.assert_allclose(after, warmed[: len(COUNTS)], rtol=5e-6, atol=1e-7)
    plain = schedule(name, PEAK, STEPS, warmup_steps=WARMUP, **options)
    np.testing.assert_allclose(plain(15), warmed[15], rtol=5e-6, atol=1e-7)


def test_drops_that_fall_on_one_step_are_all_taken():
    fall = schedule("step", 1.0, 4, boundaries=(0.4, 0.5, 0.6), factor=0.5)
    assert [float(fall(step)) for step in (0, 1, 2, 3)] == [1, 1, 0.125, 0.125]


def test_every_name_is_tried():
    assert {name for name, _, _ in CASES} == set(SCHEDULES)


def test_a_sweep_searches_the_peak_and_the_name():
    loss_fn = lambda w, batch, key: (jnp.mean((w - batch) ** 2), {})
    problem = pj.Problem(init=lambda key: jnp.float32(0), data=np.ones(4, np.float32))
    space = {"peak": pj.log_uniform(0.01, 0.1), "name": pj.choice(["cosine", "linear"])}
    swept = pj.sweep(
        lambda hp: pj.train_step(loss_fn, optax.sgd(schedule(hp["name"], hp["peak"], 6))),
        space, problem, trials=[{"peak": 0.05, "name": n} for n in ("cosine", "linear")],
        seeds=1, steps=6, key=jax.random.key(0),
    )  # fmt: skip
    shares = np.arange(6) / 6
    for trial, heights in enumerate([0.5 + 0.5 * np.cos(np.pi * shares), 1 - shares]):
        left = np.prod(1 - 2 * 0.05 * heights)
        np.testing.assert_allclose(swept.params_of(trial, 0), 1 - left, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (("cosin", 0.1, 10), ValueError, "unknown schedule 'cosin'; nearest: cosine"),
        (("plateau", 0.1, 10), ValueError, "it is a link: pj.optim.reduce_on_plateau"),
        (("cosine", 0.1, 0), ValueError, "steps: expected a whole number from 1"),
        (("cosine", 0.1, 9.0), TypeError, "steps: expected a whole number"),
        (("cosine", -0.1, 9), ValueError, "learning_rate: expected a number from 0"),
        (("cosine", float("nan"), 9), ValueError, "learning_rate: expected a number from 0"),
        (("cosine", optax.constant_schedule(0.1), 9), TypeError, "schedules do not nest"),
    ],
)
def test_a_name_steps_and_peak_out_of_range_are_refused(arguments, error, match):
    with pytest.raises(error, match=match):
        schedule(*arguments)


@pytest.mark.parametrize(
    ("name", "options", "error", "match"),
    [
        ("cosine", {"warmup_steps": 10}, ValueError, "more steps than the 10 of the warm-up"),
        ("cosine", {"warmup_steps": -1}, ValueError, "warmup_steps: expected a whole number"),
        ("cosine", {"alpha": 0.1}, TypeError, "unknown option of 'cosine' 'alpha'.*end_factor"),
        (
            "constant",
            {"power": 1.0},
            TypeError,
            "unknown option of 'constant' 'power'.*known: warm",
        ),
        ("exponential", {"decay_rate": 0.0}, ValueError, "decay_rate: expected a number above 0"),
        ("exponential", {"staircase": 0}, ValueError, "staircase: expected a whole number"),
        ("step", {"boundaries": (0.5, 0.2)}, ValueError, "rising shares of the steps"),
        ("step", {"boundaries": 0.5}, TypeError, "expected shares of the steps, got 0.5"),
        ("cosine", {"warmup": 3}, TypeError, "unknown option .*nearest: warmup_steps"),
        ("step", {"factor": "0.1"}, TypeError, "factor: expected a number, got str '0.1'"),
        ("step", {"boundaries": (5,)}, ValueError, "boundaries: .* below 1, got 5"),
        ("step", {"factor": -1.0}, ValueError, "factor: expected a number from 0"),
        ("polynomial", {"power": 0.0}, ValueError, "power: expected a number above 0"),
        ("one_cycle", {"shape": "cosin"}, ValueError, "unknown shape 'cosin'; nearest: cosine"),
        ("one_cycle", {"pct_start": 1.0}, ValueError, "pct_start: .* below 1, got 1"),
        ("warm_restarts", {"cycles": 9}, ValueError, "one step in each of 9 cycles"),
    ],
)
def test_options_out_of_range_are_refused(name, options, error, match):
    with pytest.raises(error, match=match):
        schedule(name, 0.1, 10, **options)
