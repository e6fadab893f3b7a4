import os
import subprocess
import sys

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from problems import sorted_arguments

import paramjax as pj
from paramjax.data import batch_order
from paramjax.populations import Layout, Population, TrialRun, evaluation_steps, prepare_starts
from paramjax.populations._trial_run import judge
from paramjax.tuning import sobol_design


def draw(key):
    return {"w": jax.random.normal(key, (1, 1)), "b": jnp.zeros((1, 1))}


@pytest.fixture(scope="module")
def swept(line, line_loss):
    """Four rates by three seeds, rates up to where the line cannot be reached."""
    return pj.sweep(
        lambda hp: pj.train_step(line_loss, optax.sgd(hp["learning_rate"])),
        {"learning_rate": pj.log_uniform(1e-3, 100.0)},
        pj.Problem(
            init=draw,
            data=line,
            batch_size=10,
            evaluate=lambda params, data: {"loss": line_loss(params, data, None)[0]},
            eval_data=line,
        ),
        trials=4,
        seeds=3,
        steps=40,
        key=jax.random.key(0),
        evaluations=4,
    )


def test_every_training_has_its_record(swept):
    assert [(r.trial, r.seed) for r in swept.records] == [
        (t, s) for t in range(4) for s in range(3)
    ]
    assert swept.history["loss"].shape == (12, 40)
    assert swept.curve["loss"].shape == (12, 4)
    assert swept.params["w"].shape == (12, 1, 1)
    assert all(r.curve["step"] == [10, 20, 30, 40] for r in swept.records)


def test_a_lane_is_the_run_trained_alone(swept, line, line_loss):
    """Under vmap XLA may order sums otherwise: equal to 1e-5, not to the bit."""
    place = next(i for i, r in enumerate(swept.records) if r.status == "finished" and r.seed == 1)
    record = swept.records[place]
    run_key = jax.random.split(jax.random.key(0))[1]
    starts = prepare_starts(draw, run_key, range(3))
    trainer = pj.train_step(line_loss, optax.sgd(record.hyperparameters["learning_rate"]))
    state = trainer.init(starts.key[1], jax.tree.map(lambda leaf: leaf[1], starts.params))
    for rows in np.asarray(batch_order(starts.data_key[1], 20, 10, 40)):
        state, _ = trainer.step(state, jax.tree.map(lambda leaf, r=rows: leaf[r], line))
    mine = jax.tree.map(lambda leaf: leaf[place], swept.params)
    chex.assert_trees_all_close(mine, state.params, rtol=1e-5)


def test_seeds_start_alike_in_every_trial(swept):
    first = np.asarray(swept.history["loss"][:, 0]).reshape(4, 3)
    np.testing.assert_allclose(first, np.tile(first[:1], (4, 1)), rtol=1e-6)
    assert len(set(first[0].tolist())) == 3


def test_divergence_is_marked_and_left_to_itself(swept):
    """Gradient descent diverges beyond 2 / lambda_max, and the bias alone has lambda = 2."""
    for record in swept.records:
        rate, losses = record.hyperparameters["learning_rate"], record.curve["train_loss"]
        if rate > 1.0:
            assert record.status == "diverged"
        if rate < 0.5:
            assert record.status == "finished"
            assert np.isfinite(losses).all()
    assert {r.status for r in swept.records} == {"finished", "diverged"}


def test_the_best_trial_has_the_smallest_mean(swept):
    by_trial = np.array([r.metrics["loss"] for r in swept.records]).reshape(4, 3)
    means = np.where(np.isfinite(by_trial).all(1), by_trial.mean(1), np.inf)
    best = swept.best()
    assert best.trial == int(np.argmin(means))
    assert best.value == pytest.approx(means.min())
    assert best.values == pytest.approx(by_trial[best.trial])
    assert swept.best(maximise=True).trial != best.trial
    with pytest.raises(ValueError, match="unknown metric 'los'; nearest: loss"):
        swept.best("los")


def test_structure_starts_programs_of_its_own(line, line_loss):
    chains = {"plain": optax.sgd, "momentum": lambda rate: optax.sgd(rate, momentum=0.5)}
    traced = []

    def make(hp):
        traced.append(hp["chain"])
        return pj.train_step(line_loss, chains[hp["chain"]](hp["rate"]))

    result = pj.sweep(
        make,
        {"chain": pj.choice(["plain", "momentum"]), "rate": pj.uniform(0.05, 0.2)},
        pj.Problem(init=draw, data=line),
        trials=8,
        seeds=1,
        steps=5,
        key=jax.random.key(1),
    )
    assert set(traced) == {"momentum", "plain"}
    # once for each of the four functions of a trainer, however many trials there are
    assert len(traced) <= 8
    assert [r.trial for r in result.records] == list(range(8))
    assert {r.hyperparameters["chain"] for r in result.records} == {"plain", "momentum"}
    assert set(result.records[0].metrics) == {"loss", "grad_norm"}


def test_a_design_fills_its_space_evenly():
    space = {"a": pj.uniform(0.0, 1.0), "b": pj.log_uniform(1e-4, 1.0)}
    design = sobol_design(16)(space, jax.random.key(3))
    assert sorted(int(t["a"] * 16) for t in design) == list(range(16))
    assert sorted(int((np.log10(t["b"]) + 4) * 4) for t in design) == list(range(16))
    assert design == sobol_design(16)(space, jax.random.key(3))
    assert design != sobol_design(16)(space, jax.random.key(4))


SWEEP = """
import jax, jax.numpy as jnp, optax
import paramjax as pj

pj.sweep(
    lambda hp: pj.train_step(lambda p, batch, key: (jnp.sum(p**2), {}), optax.sgd(hp["rate"])),
    {"rate": pj.uniform(0.1, 0.2)},
    pj.Problem(init=lambda key: jax.random.normal(key, (3,)), data=jnp.ones(4)),
    trials=2, seeds=2, steps=3, key=jax.random.key(0),
)
"""


def test_initialisation_and_training_of_the_first_sweep_are_cached(tmp_path):
    env = {**os.environ, "PARAMJAX_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", SWEEP], env=env, check=True)
    assert list(tmp_path.glob("jit__prepare-*"))
    assert list(tmp_path.glob("jit_population_segment-*"))


def test_a_grid_of_a_conditional_space_is_trained_whole(line, line_loss):
    """Two rates of plain descent, and of the other two with both ends of a momentum."""
    chains = {
        "plain": lambda hp: optax.sgd(hp["rate"]),
        "momentum": lambda hp: optax.sgd(hp["rate"], momentum=hp["momentum"]),
    }
    result = pj.sweep(
        lambda hp: pj.train_step(line_loss, chains[hp["chain"]](hp)),
        {
            "chain": pj.choice(["plain", "momentum"]),
            "rate": pj.uniform(0.05, 0.2),
            "momentum": pj.conditional("chain", "momentum", pj.uniform(0.0, 0.5)),
        },
        pj.Problem(init=draw, data=line),
        seeds=1,
        steps=5,
        key=jax.random.key(1),
        trials=pj.tuning.grid(2),
    )
    tried = [record.hyperparameters for record in result.records]
    assert sum("momentum" in hp for hp in tried) == 4
    assert len(tried) == 6
    last = {
        tuple(hp.values()): r.metrics["loss"] for hp, r in zip(tried, result.records, strict=True)
    }
    # without momentum both chains are the same descent
    for rate in (0.05, 0.2):
        rate = float(np.float32(rate))
        np.testing.assert_allclose(last["momentum", rate, 0.0], last["plain", rate], rtol=1e-5)


@pytest.mark.parametrize("trials", [1, 3, 5])
def test_any_number_of_trials_is_drawn(trials):
    assert len(sobol_design(trials)({"a": pj.uniform(0.0, 1.0)}, jax.random.key(0))) == trials


def test_fewer_trials_are_the_first_of_more():
    space = {"a": pj.uniform(0.0, 1.0)}
    more = sobol_design(8)(space, jax.random.key(0))
    assert sobol_design(5)(space, jax.random.key(0)) == more[:5]


def test_negative_rates_are_refused():
    with pytest.raises(ValueError, match="learning_rate: expected a number from 0"):
        sobol_design(2)({"learning_rate": pj.uniform(-1.0, -0.5)}, jax.random.key(0))


@pytest.mark.parametrize(
    ("steps", "evaluations", "expected"),
    [(10, 5, [2, 4, 6, 8, 10]), (7, 3, [1, 4, 7]), (3, 9, [1, 2, 3]), (5, 1, [5])],
)
def test_evaluations_are_even_and_end_at_the_end(steps, evaluations, expected):
    assert evaluation_steps(steps, evaluations) == expected


@pytest.mark.parametrize("evaluations", [1, 3, 4])
def test_where_it_is_evaluated_changes_no_training(line, line_loss, evaluations):
    starts = prepare_starts(draw, jax.random.key(0), [5])
    population = Population(
        lambda hp: pj.train_step(line_loss, optax.sgd(hp["rate"])),
        {"rate": pj.uniform(0.1, 0.2)},
        pj.Problem(
            init=draw, data=line, batch_size=6,
            evaluate=lambda params, data: {"w": params["w"][0, 0]},
        ),
        starts=starts, seeds=[5], steps=7, evaluations=evaluations,
    )  # fmt: skip
    trained = population.train([TrialRun(0, 5, {"rate": 0.15})], Layout(2))
    assert trained.history["loss"].shape == (1, 7)
    params = jax.tree.map(lambda leaf: leaf[0], starts.params)
    weights = []
    for rows in np.asarray(batch_order(starts.data_key[0], 20, 6, 7)):
        grads = jax.grad(
            lambda p, r=rows: line_loss(p, {k: v[r] for k, v in line.items()}, None)[0]
        )
        params = jax.tree.map(lambda p, g: p - 0.15 * g, params, grads(params))
        weights.append(float(params["w"][0, 0]))
    expected = [weights[step - 1] for step in population.evaluation_steps]
    np.testing.assert_allclose(trained.curve["w"][0], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([1.0, 0.5, 0.1], ("finished", None)),
        ([1.0, np.inf, np.nan], ("diverged", 1)),
        ([np.nan, np.nan], ("diverged", 0)),
        # a guard rejected one step
        ([1.0, np.inf, 0.1], ("finished", None)),
        ([1.0, 2.0, 3.0], ("diverged", None)),
        ([1.0, 1.0], ("finished", None)),
        # noise around a loss that does not move is no divergence
        ([1.0, 1.3, 0.9, 1.2], ("finished", None)),
    ],
)
def test_status(losses, expected):
    assert judge(np.array([losses, [1.0] * len(losses)])) == [expected, ("finished", None)]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"key": jax.random.PRNGKey(0)}, TypeError, "legacy PRNGKey"),
        ({"key": jax.random.key(0, impl="rbg")}, ValueError, "threefry"),
        ({"trials": 0}, ValueError, "trials: expected"),
        ({"seeds": 0}, ValueError, "seeds: expected"),
        ({"space": {"rate": 0.1}}, TypeError, "'rate' must be drawn from"),
        ({"data": np.full((3, 1), np.inf)}, ValueError, "NaN or infinite"),
        ({"batch_size": 99}, ValueError, "at most the 20 rows"),
    ],
)
def test_bad_input_is_refused(line, line_loss, change, error, message):
    arguments = {
        "make_trainer": lambda hp: pj.train_step(line_loss, optax.sgd(hp["rate"])),
        "space": {"rate": pj.uniform(0.1, 0.2)},
        "init": draw, "data": line, "trials": 1, "seeds": 1, "steps": 1, "key": jax.random.key(0),
    } | change  # fmt: skip
    with pytest.raises(error, match=message):
        pj.sweep(**sorted_arguments(arguments))
