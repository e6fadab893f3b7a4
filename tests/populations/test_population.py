import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from problems import problem_arguments

import paramjax as pj
from paramjax.data import batch_order
from paramjax.populations import Layout, Population, TrialRun, prepare_starts

# the size of a block of the order is no argument: 64 MiB, more than a test should draw
from paramjax.populations import _orders as orders_module

STEPS = 30
RUNS = [TrialRun(t, s, {"rate": r}) for t, r in enumerate([1e-3, 1e-2, 0.1]) for s in range(2)]


def draw(key):
    return {"w": jax.random.normal(key, (1, 1)), "b": jnp.zeros((1, 1))}


def population(line, loss, **settings):
    arguments = problem_arguments({"init": draw, "data": line, "batch_size": 6} | settings)
    return Population(
        lambda hp: pj.train_step(loss, optax.adam(hp["rate"])),
        {"rate": pj.log_uniform(1e-3, 1.0)},
        starts=prepare_starts(draw, jax.random.key(0), range(2)),
        seeds=range(2), steps=STEPS, **arguments,
    )  # fmt: skip


def by_run(parts):
    """(trial, seed) -> params, history, curve."""
    return {
        (run.trial, run.seed): jax.tree.map(
            lambda leaf, at=index: leaf[at], (part.params, part.history, part.curve)
        )
        for part in parts
        for index, run in enumerate(part.runs)
    }


def train(made, runs, layout):
    return by_run([made.train(chunk, layout) for chunk in made.chunks(runs, layout)])


@pytest.fixture(scope="module")
def made(line, line_loss):
    """Evaluated after 6, 14, 22 and 30 steps; one metric is a whole number."""
    return population(
        line, line_loss, evaluate=lambda p, data: {"sum": p["w"].sum(), "count": jnp.int32(3)},
        evaluations=4, rungs=(7, 13),
    )  # fmt: skip


@pytest.fixture(scope="module")
def by_hand(line, line_loss):
    """Each run as a plain optax loop: its last parameters, its losses, its slope at each step."""
    starts, ends = prepare_starts(draw, jax.random.key(0), range(2)), {}
    for run in RUNS:
        params = jax.tree.map(lambda leaf, at=run.seed: leaf[at], starts.params)
        tx = optax.adam(run.hyperparameters["rate"])
        state, losses, slopes = tx.init(params), [], []
        for rows in np.asarray(batch_order(starts.data_key[run.seed], 20, 6, STEPS)):
            batch = {name: values[rows] for name, values in line.items()}
            (loss, _), grads = jax.value_and_grad(line_loss, has_aux=True)(params, batch, None)
            updates, state = tx.update(grads, state)
            params = optax.apply_updates(params, updates)
            losses.append(loss)
            slopes.append(params["w"].sum())
        ends[run.trial, run.seed] = params, np.array(losses), np.array(slopes)
    return ends


@pytest.mark.parametrize(
    "layout",
    [
        Layout(1),
        Layout(4, workers=2),
        Layout(6, stepwise=True),
        pytest.param(Layout(1, stepwise=True), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_every_layout_trains_as_a_loop_by_hand(made, by_hand, layout):
    """XLA may order sums otherwise in each program: 1e-5, as promised."""
    trained = train(made, RUNS, layout)
    assert made.evaluation_steps == [6, 7, 13, 14, 22, 30]
    assert set(trained) == set(by_hand)
    for which, (params, history, curve) in trained.items():
        expected, losses, slopes = by_hand[which]
        chex.assert_trees_all_close(params, expected, rtol=1e-5)
        np.testing.assert_allclose(history["loss"], losses, rtol=2e-5)
        at = np.array(made.evaluation_steps) - 1
        np.testing.assert_allclose(curve["sum"], slopes[at], rtol=1e-5)
        assert curve["count"].dtype == np.int32
        assert curve["count"].tolist() == [3] * 6


def test_single_runs_are_the_same_bits_side_by_side(made):
    one, two = (train(made, RUNS, Layout(1, workers=workers)) for workers in (1, 2))
    chex.assert_trees_all_equal(one, two)


def test_resumed_at_a_rung_it_is_the_run_in_one(made):
    layout, chunk = Layout(4), RUNS[:3]
    through = made.train(chunk, layout)
    resume_state, losses = None, []
    for first, end in ((0, 7), (7, 13), (13, STEPS)):
        part = made.train(
            chunk, layout, first=first, end=end, resume_state=resume_state, last=end == STEPS
        )
        resume_state = part.resume_state
        losses.append(part.history["loss"])
    chex.assert_trees_all_equal(part.params, through.params)
    np.testing.assert_array_equal(np.concatenate(losses, axis=1), through.history["loss"])


def test_orders_drawn_by_blocks_are_the_whole_order(line, line_loss, monkeypatch):
    keys = jax.random.split(jax.random.key(3), 2)
    whole = np.stack([batch_order(key, 10, 3, 25) for key in keys], axis=1)
    in_one = train(population(line, line_loss), RUNS[:2], Layout(1))
    monkeypatch.setattr(orders_module, "BLOCK_BYTES", 4 * 9 * 2 * 2)
    orders = orders_module.Orders(keys, len(keys), 10, 3, 25)
    assert orders.ends == [6, 12, 18, 24, 25]
    for step in range(25):
        np.testing.assert_array_equal(orders.block(step)[orders.offset(step)], whole[step])
    for step in (24, 0, 18, 7, 13):  # of runs that share the order and are not equally far
        orders.ahead(24)
        np.testing.assert_array_equal(orders.block(step)[orders.offset(step)], whole[step])
        orders.ahead(step)
    monkeypatch.setattr(orders_module, "BLOCK_BYTES", 4 * 18 * 2 * 3)
    made = population(line, line_loss)
    assert made.structure_group(RUNS[0]).orders.length == 9
    chex.assert_trees_all_equal(train(made, RUNS[:2], Layout(1)), in_one)


def descent(loss, line, hooks=(), steps=60):
    return Population(
        lambda hp: pj.train_step(loss, optax.sgd(hp["rate"]), hooks=hooks),
        {"rate": pj.uniform(0.0, 100.0)},
        pj.Problem(init=lambda key: {"w": jnp.ones(2)}, data=line),
        starts=prepare_starts(lambda key: {"w": jnp.ones(2)}, jax.random.key(0), [0]),
        seeds=[0], steps=steps,
    )  # fmt: skip


@pytest.fixture(scope="module")
def exploding(line):
    """Gradient descent at a rate above 1 grows without end: the loss is inf before w is."""
    return descent(lambda p, batch, key: (jnp.sum(p["w"] ** 2) + 0.0 * batch["x"].sum(), {}), line)


def runs_at(*rates):
    return [TrialRun(trial, 0, {"rate": rate}) for trial, rate in enumerate(rates)]


@pytest.mark.parametrize("layout", [Layout(1), Layout(2), Layout(2, stepwise=True)], ids=str)
def test_a_run_that_diverges_is_frozen_and_marked_with_the_step(exploding, layout):
    """w is multiplied by 1 - 2 * 50 = -99 at each step, in float32."""
    chunks = exploding.chunks(runs_at(50.0, 0.1), layout)
    parts = [exploding.train(chunk, layout) for chunk in chunks]
    trained = by_run(parts)
    w, step = np.float32(1.0), 0
    with np.errstate(over="ignore"):
        while np.isfinite(w * w + w * w):
            w, step = w - np.float32(50.0) * (2 * w), step + 1
    assert [int(steps) for part in parts for steps in part.steps] == [step, 60]
    assert [r.diverged_step for p in parts for r in pj.populations.records(p)] == [step, None]
    np.testing.assert_allclose(trained[0, 0][0]["w"], w, rtol=1e-5)
    losses = trained[0, 0][1]["loss"]
    assert np.isfinite(losses[:step]).all()
    assert losses[step] == np.inf
    assert np.isnan(losses[step + 1 :]).all()
    np.testing.assert_allclose(trained[1, 0][0]["w"], 0.8**60, rtol=1e-4)


def test_a_neighbour_that_diverges_changes_no_bit(exploding):
    quiet, loud = (train(exploding, runs_at(0.1, rate), Layout(2)) for rate in (0.2, 99.0))
    chex.assert_trees_all_equal(quiet[0, 0], loud[0, 0])


def test_what_is_computed_is_counted(exploding):
    """Nothing after all runs diverged; a lane that only fills the call as well."""
    lost = exploding.train(runs_at(99.0, 50.0), Layout(2))
    assert lost.computed.tolist() == [lost.steps.max() + 1] * 2
    filled = exploding.train(runs_at(0.1), Layout(2))
    assert filled.computed.tolist() == [2 * 60]


def test_a_hook_that_rejects_steps_keeps_a_run_going(line):
    """About half of the steps have no finite loss; each costs a step and changes nothing."""

    def now_and_then(params, batch, key):
        return jnp.where(jax.random.bernoulli(key), 1, jnp.nan) * jnp.sum(params["w"] ** 2), {}

    made = descent(now_and_then, line, hooks=[pj.hooks.skip_nonfinite()], steps=20)
    part = made.train(runs_at(0.25), Layout(1))
    taken = np.isfinite(part.history["loss"][0]).sum()
    assert 0 < taken < 20
    assert (part.alive.tolist(), part.steps.tolist()) == ([True], [20])
    np.testing.assert_allclose(part.params["w"], 0.5**taken, rtol=1e-6)
