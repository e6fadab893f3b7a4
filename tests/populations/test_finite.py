"""A run is lost by the first step whose loss or parameters are not finite; it stays before it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj

# the steps of a burst are no argument: 1 on a CPU
from paramjax.populations import Layout, Population, TrialRun, _mapped_loop, prepare_starts, records

STEPS = 12
LAYOUTS = [Layout(1), Layout(1, stepwise=True), Layout(2), Layout(2, stepwise=True)]
SPACE = {"at": pj.uniform(0.0, 50.0)}


def population(make, start=0.0, steps=STEPS, **settings):
    return Population(
        make, SPACE, pj.Problem(init=jnp.float32, data=jnp.zeros(3)),
        starts=prepare_starts(lambda key: jnp.float32(start), jax.random.key(0), [0]), seeds=[0],
        steps=steps, **settings,
    )  # fmt: skip


def runs(*at):
    return [TrialRun(trial, 0, {"at": float(own)}) for trial, own in enumerate(at)]


def ascent(params, batch, key):
    """Its gradient is -1, so that sgd(1.0) adds 1 at each step."""
    return batch.mean() - params, {}


def nan_gradient(hp, tx=None):
    """The parameter counts the steps; from `at` on the loss is finite and its gradient NaN."""

    def loss(params, batch, key):
        return ascent(params, batch, key)[0] + 0 * jnp.sqrt(jnp.maximum(hp["at"] - params, 0.0)), {}

    return pj.train_step(loss, tx or optax.sgd(1.0))


def infinite_rate(hp):
    """The parameter counts the steps; the update of step `at` alone is infinite."""
    rate = lambda count: jnp.where(count == hp["at"], jnp.inf, 1.0)
    return pj.train_step(ascent, optax.sgd(rate))


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("make", [nan_gradient, infinite_rate])
@pytest.mark.parametrize("at", [0, 5, pytest.param(STEPS - 1, marks=pytest.mark.slow)])
def test_a_lost_run_keeps_the_parameters_from_before(make, at, layout):
    made = population(make)
    part = made.train(runs(at, 50)[: layout.width], layout)
    assert part.params[0] == at
    assert (part.steps[0], part.alive[0]) == (at, False)
    record = records(part)[0]
    assert (record.status, record.diverged_step, record.steps) == ("diverged", at, at)
    losses = part.history["loss"][0]
    np.testing.assert_array_equal(losses[: at + 1], -np.arange(at + 1.0))
    assert np.isnan(losses[at + 1 :]).all()
    if layout.width > 1:
        assert part.params[1] == STEPS
        assert (records(part)[1].status, records(part)[1].diverged_step) == ("finished", None)


@pytest.mark.parametrize("layout", LAYOUTS[::2], ids=str)
def test_it_is_the_same_where_runs_are_resumed(layout):
    made, resume_state, parts = population(infinite_rate, rungs=(4, 8)), None, []
    for first, end in ((0, 4), (4, 8), (8, STEPS)):
        part = made.train(
            runs(7, 50)[: layout.width], layout,
            first=first, end=end, resume_state=resume_state, last=end == STEPS,
        )  # fmt: skip
        parts.append(part)
        resume_state = part.resume_state
    assert [part.params[0] for part in parts] == [4, 7, 7]
    assert [part.steps[0] for part in parts] == [4, 7, 7]
    assert [part.alive[0] for part in parts] == [True, False, False]


def test_a_run_that_begins_with_nan_is_lost_by_its_first_step():
    part = population(nan_gradient, start=np.nan).train(runs(50), Layout(1))
    assert (part.steps[0], part.alive[0]) == (0, False)


MENDED = optax.chain(optax.zero_nans(), optax.sgd(1.0))


def test_in_bursts_of_steps_as_on_accelerators_it_is_the_same(monkeypatch):
    """Segments of 3, 4 and 5 steps in bursts of 4; the last steps of a burst change nothing."""
    monkeypatch.setattr(_mapped_loop, "burst_of", lambda *sizes: 4)
    for make, times in ((nan_gradient, 1), (infinite_rate, 2)):
        part = population(make, rungs=(3, 7)).train(runs(5, 50, 3, 7), Layout(4))
        assert part.params.tolist() == part.steps.tolist() == [5, STEPS, 3, 7]
        assert part.alive.tolist() == [False, True, False, False]
        assert part.computed.tolist() == [times * STEPS] * 4
        steps = -np.arange(float(STEPS))
        for at, losses in zip([5, STEPS, 3, 7], part.history["loss"], strict=True):
            np.testing.assert_array_equal(losses[: at + 1], steps[: at + 1])
            assert np.isnan(losses[at + 1 :]).all()
    single = population(nan_gradient, rungs=(3, 7)).train(runs(5), Layout(1))
    assert (single.params[0], single.steps[0], single.alive[0]) == (5, 5, False)
    np.testing.assert_array_equal(single.history["loss"][0], part.history["loss"][0])
    assert single.computed.tolist() == [7]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_only_a_hook_lets_a_run_pass_a_gradient_that_is_nan(layout):
    """As in `fit`: a chain that mends it hides that the model is broken."""
    part = population(lambda hp: nan_gradient(hp, MENDED)).train(
        runs(5, 50)[: layout.width], layout
    )
    assert (part.params[0], part.alive[0], part.steps[0]) == (5, False, 5)
    with pytest.raises(pj.NonFiniteError) as caught:
        pj.fit(
            nan_gradient({"at": 5.0}, MENDED), jnp.float32(0), jnp.zeros(3),
            key=jax.random.key(0), steps=STEPS,
        )  # fmt: skip
    assert (caught.value.fit.params, caught.value.fit.state.step) == (5, 5)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_a_hook_that_rejects_such_steps_goes_on(layout):
    def make(hp):
        loss = lambda p, batch, key: (ascent(p, batch, key)[0] + 0 * jnp.sqrt(hp["at"] - p), {})
        return pj.train_step(loss, optax.sgd(1.0), [pj.hooks.skip_nonfinite()])

    part = population(make).train(runs(5, 50)[: layout.width], layout)
    assert (part.params[0], part.alive[0], part.steps[0]) == (5, True, STEPS)


@pytest.mark.parametrize("make", [nan_gradient, infinite_rate])
def test_a_sweep_says_so(make):
    found = pj.sweep(
        make, {"at": pj.choice([5.0, 50.0])},
        pj.Problem(init=lambda key: jnp.float32(0), data=jnp.zeros(3)),
        trials=pj.tuning.grid(2), seeds=1, steps=STEPS, key=jax.random.key(0),
    )  # fmt: skip
    lost = {r.hyperparameters["at"]: (str(r.status), r.diverged_step) for r in found.records}
    assert lost == {5.0: ("diverged", 5), 50.0: ("finished", None)}
    assert found.params.tolist() == [5.0, STEPS]
    assert found.replay(0, 0).params == 5.0
