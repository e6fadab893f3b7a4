"""The engine: layouts agree, diverged runs are frozen, and nothing reaches a neighbour."""

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
from paramjax.populations import _orders as orders_module
from paramjax.populations._orders import Orders

STEPS = 30
LAYOUTS = [
    Layout(1),
    Layout(1, workers=2),
    Layout(4),
    Layout(3, workers=2),
    Layout(1, stepwise=True),
    Layout(6, stepwise=True),
]


def draw(key):
    return {"w": jax.random.normal(key, (1, 1)), "b": jnp.zeros((1, 1))}


def population(line, loss, seeds=2, **settings):
    arguments = problem_arguments({"init": draw, "data": line, "batch_size": 6} | settings)
    return Population(
        lambda hp: pj.train_step(loss, optax.adam(hp["rate"])),
        {"rate": pj.log_uniform(1e-3, 1.0)},
        starts=prepare_starts(draw, jax.random.key(0), range(seeds)),
        seeds=range(seeds), steps=STEPS, **arguments,
    )  # fmt: skip


def by_run(parts):
    """(trial, seed) -> everything that a run left."""
    return {
        (run.trial, run.seed): jax.tree.map(
            lambda leaf, at=place: leaf[at], (part.params, part.history, part.curve)
        )
        for part in parts
        for place, run in enumerate(part.runs)
    }


def train(made, runs, layout):
    return by_run([made.train(chunk, layout) for chunk in made.chunks(runs, layout)])


RUNS = [TrialRun(t, s, {"rate": r}) for t, r in enumerate([1e-3, 1e-2, 0.1]) for s in range(2)]


@pytest.fixture(scope="module")
def made(line, line_loss):
    return population(
        line, line_loss, evaluate=lambda p, data: {"sum": p["w"].sum()}, evaluations=3
    )


@pytest.fixture(scope="module")
def by_hand(line, line_loss):
    """Each run as a loop that anybody would write with optax."""
    starts, ends = prepare_starts(draw, jax.random.key(0), range(2)), {}
    for run in RUNS:
        params = jax.tree.map(lambda leaf, at=run.seed: leaf[at], starts.params)
        tx = optax.adam(run.hyperparameters["rate"])
        state, losses = tx.init(params), []
        for rows in np.asarray(batch_order(starts.data_key[run.seed], 20, 6, STEPS)):
            batch = {name: values[rows] for name, values in line.items()}
            (loss, _), grads = jax.value_and_grad(line_loss, has_aux=True)(params, batch, None)
            updates, state = tx.update(grads, state)
            params = optax.apply_updates(params, updates)
            losses.append(loss)
        ends[run.trial, run.seed] = params, np.array(losses)
    return ends


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_every_layout_trains_as_a_loop_by_hand(made, by_hand, layout):
    """XLA may order sums otherwise in each program: 1e-5, as promised."""
    trained = train(made, RUNS, layout)
    assert set(trained) == set(by_hand)
    for which, (params, history, curve) in trained.items():
        chex.assert_trees_all_close(params, by_hand[which][0], rtol=1e-5)
        np.testing.assert_allclose(history["loss"], by_hand[which][1], rtol=2e-5)
        assert curve["sum"].shape == (3,)
        np.testing.assert_allclose(curve["sum"][-1], by_hand[which][0]["w"].sum(), rtol=1e-5)


def test_lone_runs_are_the_same_bits_side_by_side(made):
    one, two = (train(made, RUNS, layout) for layout in LAYOUTS[:2])
    chex.assert_trees_all_equal(one, two)


def exploding(params, batch, key):
    """Gradient descent at a rate above 1 grows without end: the loss is inf before w is."""
    return jnp.sum(params["w"] ** 2) + 0.0 * batch["x"].sum(), {}


def descent(loss, line, hooks=(), steps=60):
    return Population(
        lambda hp: pj.train_step(loss, optax.sgd(hp["rate"]), hooks=hooks),
        {"rate": pj.uniform(0.0, 100.0)},
        pj.Problem(init=lambda key: {"w": jnp.ones(2)}, data=line),
        starts=prepare_starts(lambda key: {"w": jnp.ones(2)}, jax.random.key(0), [0]),
        seeds=[0], steps=steps,
    )  # fmt: skip


@pytest.mark.parametrize("layout", [Layout(1), Layout(2), Layout(2, stepwise=True)], ids=str)
def test_a_run_that_diverges_is_frozen_and_marked_with_the_step(line, layout):
    """w is multiplied by 1 - 2 * 50 = -99 at each step, in float32."""
    made = descent(exploding, line)
    runs = [TrialRun(0, 0, {"rate": 50.0}), TrialRun(1, 0, {"rate": 0.1})]
    parts = [made.train(chunk, layout) for chunk in made.chunks(runs, layout)]
    trained = by_run(parts)
    w, step = np.float32(1.0), 0
    with np.errstate(over="ignore"):
        while np.isfinite(w * w + w * w):
            w, step = w - np.float32(50.0) * (2 * w), step + 1
    steps = {run.trial: part.steps[i] for part in parts for i, run in enumerate(part.runs)}
    assert steps == {0: step, 1: 60}
    np.testing.assert_allclose(trained[0, 0][0]["w"], w, rtol=1e-5)
    losses = trained[0, 0][1]["loss"]
    assert np.isfinite(losses[:step]).all()
    assert losses[step] == np.inf
    assert np.isnan(losses[step + 1 :]).all()
    np.testing.assert_allclose(trained[1, 0][0]["w"], 0.8**60, rtol=1e-4)


def test_a_neighbour_that_diverges_changes_no_bit(line):
    made = descent(exploding, line)
    calm = [TrialRun(t, 0, {"rate": r}) for t, r in enumerate([0.1, 0.2, 0.3])]
    wild = [*calm[:2], TrialRun(2, 0, {"rate": 99.0})]
    quiet, loud = (train(made, runs, Layout(3)) for runs in (calm, wild))
    for which in ((0, 0), (1, 0)):
        chex.assert_trees_all_equal(quiet[which], loud[which])


def test_where_all_diverged_nothing_more_is_computed(line):
    made = descent(exploding, line, steps=10_000)
    part = made.train([TrialRun(0, 0, {"rate": 99.0}), TrialRun(1, 0, {"rate": 50.0})], Layout(2))
    assert part.computed.tolist() == [part.steps.max() + 1] * 2


def test_padding_is_counted_as_computed(line):
    made = descent(exploding, line)
    part = made.train([TrialRun(0, 0, {"rate": 0.1})], Layout(4))
    assert part.computed.tolist() == [4 * 60]


def test_a_guard_keeps_a_run_going(line):
    """The third step has no finite loss; rejected, it costs a step and changes nothing."""

    def now_and_then(params, batch, key):
        loss = jnp.sum(params["w"] ** 2)
        return jnp.where(
            params["w"][0] == 0.25, jnp.where(jax.random.bernoulli(key), 1, jnp.nan), 1
        ) * loss, {}

    made = descent(now_and_then, line, hooks=[pj.hooks.skip_nonfinite()], steps=20)
    part = made.train([TrialRun(0, 0, {"rate": 0.25})], Layout(1))
    assert part.alive.tolist() == [True]
    assert part.steps.tolist() == [20]
    assert np.isfinite(part.params["w"]).all()


def test_orders_drawn_by_blocks_are_the_whole_order(monkeypatch):
    keys = jax.random.split(jax.random.key(3), 2)
    whole = np.stack([batch_order(key, 10, 3, 25) for key in keys], axis=1)
    monkeypatch.setattr(orders_module, "BLOCK_BYTES", 4 * 9 * 2 * 2)
    orders = Orders(lambda: keys, len(keys), 10, 3, 25)
    assert orders.ends == [6, 12, 18, 24, 25]
    for step in range(25):
        np.testing.assert_array_equal(orders.block(step)[orders.offset(step)], whole[step])


def test_a_run_by_blocks_is_the_run_in_one(line, line_loss, monkeypatch):
    whole = train(population(line, line_loss), RUNS, Layout(1))
    monkeypatch.setattr(orders_module, "BLOCK_BYTES", 4 * 18 * 2 * 3)
    made = population(line, line_loss)
    assert made.structure_group(RUNS[0]).orders.length == 9
    chex.assert_trees_all_equal(train(made, RUNS, Layout(1)), whole)


def test_going_on_is_the_same_as_going_through(line, line_loss):
    made = population(line, line_loss, rungs=(7, 13))
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


def test_metrics_that_are_whole_numbers_stay_so(line, line_loss):
    made = population(line, line_loss, evaluate=lambda p, data: {"count": jnp.int32(3)})
    part = made.train(RUNS[:1], Layout(1))
    assert part.curve["count"].dtype == np.int32
    assert part.curve["count"].tolist() == [[3]]
