"""Seeds that read rows of their own train as they would on those rows alone."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.populations import Layout, Population, SeedRows, TrialRun, prepare_starts

POOL = {"x": np.linspace(-1.0, 2.0, 12, dtype=np.float32)}
TRAIN = np.array([[0, 1, 2, 3, 4, 5], [11, 3, 5, 7, 9, 1], [6, 7, 8, 9, 10, 11]])
TEST = np.array([[6, 7], [0, 2], [1, 0]])
SEEDS = [0, 1, 2]
STEPS = 7


def loss_fn(params, batch, key):
    return jnp.mean((params - batch["x"]) ** 2), {}


def evaluate(params, data):
    return {"mean": jnp.mean(data["x"]), "loss": jnp.mean((params - data["x"]) ** 2)}


def problem(batch_size: int | None) -> pj.Problem:
    return pj.Problem(
        init=jax.random.normal, data=SeedRows(POOL, TRAIN), batch_size=batch_size,
        evaluate=evaluate, eval_data=SeedRows(POOL, TEST),
    )  # fmt: skip


def population(problem: pj.Problem, seeds: list[int]) -> Population:
    return Population(
        lambda hp: pj.train_step(loss_fn, optax.sgd(hp["learning_rate"])),
        {"learning_rate": pj.log_uniform(1e-3, 0.5)}, problem,
        starts=prepare_starts(problem.init, jax.random.key(3), seeds), seeds=seeds, steps=STEPS,
        evaluations=2,
    )  # fmt: skip


def alone(batch_size: int | None, seed: int) -> Population:
    train, test = ({"x": POOL["x"][rows[seed]]} for rows in (TRAIN, TEST))
    own = dataclasses.replace(problem(batch_size), data=train, eval_data=test)
    return population(own, [seed])


@pytest.mark.parametrize("layout", [Layout(1), Layout(3), Layout(1, stepwise=True)])
def test_each_seed_trains_and_is_evaluated_on_its_own_rows(layout):
    together = population(problem(4), SEEDS)
    runs = [TrialRun(0, seed, {"learning_rate": 0.1}) for seed in SEEDS]
    found = [c for chunk in together.chunks(runs, layout) for c in [together.train(chunk, layout)]]
    params = np.concatenate([chunk.params for chunk in found])
    curves = {n: np.concatenate([c.curve[n] for c in found]) for n in ("mean", "loss")}
    for seed in SEEDS:
        single = alone(4, seed).train([runs[seed]], Layout(1))
        np.testing.assert_allclose(params[seed], single.params[0], rtol=1e-6)
        np.testing.assert_allclose(curves["loss"][seed], single.curve["loss"][0], rtol=1e-6)
        np.testing.assert_allclose(curves["mean"][seed], POOL["x"][TEST[seed]].mean(), rtol=1e-6)


def test_without_a_batch_size_each_step_reads_all_rows_of_the_seed():
    together = population(problem(None), SEEDS)
    runs = [TrialRun(0, seed, {"learning_rate": 0.25}) for seed in SEEDS]
    made = together.train(runs, Layout(3))
    means = POOL["x"][TRAIN].mean(axis=1)  # gradient descent halves the distance at each step
    starts = prepare_starts(jax.random.normal, jax.random.key(3), SEEDS).params
    np.testing.assert_allclose(made.params, means + (starts - means) / 2**STEPS, rtol=1e-5)


def test_other_rows_of_evaluation_need_no_other_program():
    together = population(problem(4), SEEDS)
    runs = [TrialRun(0, seed, {"learning_rate": 0.1}) for seed in SEEDS]
    made = together.train(runs, Layout(3), SeedRows(POOL, TEST[:, ::-1] + 1))
    np.testing.assert_allclose(made.curve["mean"][:, -1], POOL["x"][TEST + 1].mean(axis=1), 1e-6)
    assert together.structure_group(runs[0]) is together.structure_group(
        runs[0], SeedRows(POOL, jnp.asarray(TEST))
    )


def test_a_run_trained_again_alone_reads_the_same_rows():
    together = population(problem(4), SEEDS)
    run = TrialRun(0, 1, {"learning_rate": 0.1})
    single = together.single(1, run.hyperparameters)
    assert set(np.asarray(single.order(STEPS)).ravel()) <= set(TRAIN[1].tolist())
