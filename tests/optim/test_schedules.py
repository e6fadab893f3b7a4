import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj

STEPS = np.r_[np.arange(41), 1000]
WARMUP = {"init_value": 0.1, "peak_value": 0.7, "warmup_steps": 7}
COSINE = WARMUP | {"decay_steps": 20, "end_value": 0.05, "exponent": 1.5}
DECAY = {"transition_steps": 6, "decay_rate": 0.4}
SCALES = {5: 0.5, 12: 3.0, 20: 0.0}
ONECYCLE = {"transition_steps": 30, "peak_value": 0.9, "pct_start": 0.3, "div_factor": 20.0,
            "final_div_factor": 300.0}  # fmt: skip

# name -> arguments; each must be optax's, with numbers and with traced ones
CASES = [
    ("warmup_cosine_decay_schedule", COSINE),
    ("warmup_cosine_decay_schedule", WARMUP | {"decay_steps": 20}),
    ("warmup_cosine_decay_schedule", COSINE | {"warmup_steps": 0}),
    ("warmup_cosine_decay_schedule", COSINE | {"peak_value": 0.0}),
    ("exponential_decay", DECAY | {"init_value": 0.8}),
    ("exponential_decay", DECAY | {"init_value": 0.8, "staircase": True, "transition_begin": 3}),
    ("exponential_decay", DECAY | {"init_value": 0.8, "end_value": 0.2}),
    ("exponential_decay", DECAY | {"init_value": 0.1, "decay_rate": 1.7, "end_value": 0.9}),
    ("exponential_decay", DECAY | {"init_value": 0.1, "decay_rate": 0.0, "end_value": 0.9}),
    ("exponential_decay", DECAY | {"init_value": 0.1, "transition_steps": 0, "end_value": 0.9}),
    ("exponential_decay", DECAY | {"init_value": 0.1, "transition_begin": -4}),
    ("warmup_exponential_decay_schedule", WARMUP | DECAY | {"end_value": 0.2}),
    ("warmup_exponential_decay_schedule", WARMUP | DECAY | {"transition_begin": 2}),
    ("sgdr_schedule", {"cosine_kwargs": [COSINE, COSINE | {"peak_value": 0.3}, COSINE]}),
    ("piecewise_constant_schedule", {"init_value": 0.8, "boundaries_and_scales": SCALES}),
    ("piecewise_constant_schedule", {"init_value": 0.8}),
    ("piecewise_interpolate_schedule",
     {"interpolate_type": "linear", "init_value": 0.8, "boundaries_and_scales": SCALES}),
    ("piecewise_interpolate_schedule",
     {"interpolate_type": "cosine", "init_value": 0.8, "boundaries_and_scales": SCALES}),
    ("linear_onecycle_schedule", ONECYCLE | {"pct_final": 0.8}),
    ("linear_onecycle_schedule", ONECYCLE | {"transition_steps": 3}),
    ("cosine_onecycle_schedule", ONECYCLE),
]  # fmt: skip


def optaxs(name, arguments):
    schedule = getattr(optax, name)(**arguments)
    return np.array([float(schedule(int(step))) for step in STEPS])


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_each_is_optaxs_for_numbers_and_for_traced_ones(name, arguments):
    expected = optaxs(name, arguments)
    make = getattr(pj.optim, name)
    values = jax.jit(jax.vmap(make(**arguments)))(jnp.asarray(STEPS))
    np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-7)
    leaves, tree = jax.tree.flatten(arguments)
    is_number = [isinstance(leaf, float) for leaf in leaves]

    @jax.jit
    def traced(numbers):
        rest = iter(numbers)
        filled = [
            next(rest) if is_n else leaf for leaf, is_n in zip(leaves, is_number, strict=True)
        ]
        return jax.vmap(make(**jax.tree.unflatten(tree, filled)))(jnp.asarray(STEPS))

    numbers = [leaf for leaf, is_n in zip(leaves, is_number, strict=True) if is_n]
    np.testing.assert_allclose(traced(numbers), expected, rtol=3e-6, atol=1e-7)


@pytest.mark.parametrize("warmup", [0, 5, 12])
def test_the_lengths_of_warmup_and_decay_may_be_traced(warmup):
    for name, rest in (
        ("warmup_cosine_decay_schedule", {"decay_steps": 20}),
        ("warmup_exponential_decay_schedule", DECAY),
    ):
        arguments = WARMUP | rest | {"warmup_steps": warmup}
        counts = {k: v for k, v in arguments.items() if isinstance(v, int)}
        make = getattr(pj.optim, name)
        run = jax.jit(lambda n, a=arguments, m=make: jax.vmap(m(**a | n))(jnp.asarray(STEPS)))
        np.testing.assert_allclose(run(counts), optaxs(name, arguments), rtol=1e-6, atol=1e-7)


def test_optaxs_other_schedules_take_traced_values_themselves():
    """The docstring's word, which a later optax may break."""

    @jax.jit
    def run(value, power, end):
        made = (
            optax.constant_schedule(value),
            optax.linear_schedule(value, end, 10),
            optax.polynomial_schedule(value, end, power, 10),
            optax.cosine_decay_schedule(value, 10, alpha=end, exponent=power),
            optax.warmup_constant_schedule(value, end, 10),
        )
        return [schedule(5) for schedule in made]

    half = 0.5 * (1 + np.cos(np.pi / 2))
    expected = [1.0, 0.6, 0.2 + 0.8 * 0.5**2, 0.2 + 0.8 * half**2, 0.6]
    np.testing.assert_allclose(run(1.0, 2.0, 0.2), expected, rtol=1e-6)


def sweep(schedule, name, space=None):
    def make_trainer(hyperparameters):
        loss_fn = lambda w, batch, key: (jnp.mean((w - batch) ** 2), {})
        return pj.train_step(loss_fn, optax.sgd(schedule(hyperparameters[name])))

    problem = pj.Problem(init=lambda key: jnp.float32(0), data=np.ones(4, np.float32))
    space = space or {name: pj.log_uniform(1e-2, 1e-1)}
    return pj.sweep(make_trainer, space, problem, trials=3, seeds=1, steps=6, key=jax.random.key(0))


def test_a_sweep_over_the_peak_trains_each_trial_by_its_own_schedule():
    swept = sweep(lambda peak: pj.optim.warmup_cosine_decay_schedule(0.0, peak, 2, 6), "peak")
    for record in swept.records:
        rate = optax.warmup_cosine_decay_schedule(0.0, record.hyperparameters["peak"], 2, 6)
        w = 0.0
        for step in range(6):
            w -= float(rate(step)) * 2 * (w - 1)
        trained = swept.params_of(record.trial, record.seed)
        np.testing.assert_allclose(float(trained), w, rtol=1e-5)


@pytest.mark.parametrize(
    ("schedule", "name"),
    [
        (lambda peak: optax.warmup_cosine_decay_schedule(0.0, peak, 2, 6),
         "warmup_cosine_decay_schedule"),
        (lambda peak: optax.sgdr_schedule([COSINE | {"peak_value": peak}]), "sgdr_schedule"),
        (lambda rate: optax.exponential_decay(0.1, 3, rate), "exponential_decay"),
        (lambda x: optax.piecewise_constant_schedule(0.1, {3: x}), "piecewise_constant_schedule"),
        (lambda x: optax.cosine_onecycle_schedule(9, 0.1, x), "cosine_onecycle_schedule"),
    ],
)  # fmt: skip
def test_optaxs_own_schedule_of_a_traced_number_says_which_to_take(schedule, name):
    with pytest.raises(ValueError, match=f"'x', which is traced; .*take pj.optim.{name}, which"):
        sweep(schedule, "x")


def test_another_function_of_a_traced_number_gets_the_general_advice():
    with pytest.raises(ValueError, match="'x', which is traced; draw it with choice"):
        sweep(lambda x: 0.1 if x > 0.02 else 0.2, "x")


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="more steps than the 7 of the warm-up, got decay_steps=7"):
        pj.optim.warmup_cosine_decay_schedule(0.0, 1.0, 7, 7)
    with pytest.raises(ValueError, match="at least one cycle, got none"):
        pj.optim.sgdr_schedule([])
    with pytest.raises(ValueError, match="factors of at least 0, got -0.5 at step 3"):
        pj.optim.piecewise_constant_schedule(1.0, {3: -0.5})
    with pytest.raises(ValueError, match="'linear' or 'cosine', got 'cubic'"):
        pj.optim.piecewise_interpolate_schedule("cubic", 1.0, {3: 0.5})
    for make in (pj.optim.linear_onecycle_schedule, pj.optim.cosine_onecycle_schedule):
        with pytest.raises(ValueError, match="transition_steps of at least 1, got 0"):
            make(0, 1.0)
