"""`reduce_on_plateau` is told the problem's metric at each evaluation, as `fit` tells it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.populations import Layout

ROWS = np.ones(8, np.float32)
TARGET = 1.03


def loss(params, batch, key):
    """A fixed rate jumps to and fro about the target for ever."""
    return jnp.abs(params - TARGET) * batch.mean(), {}


def measure(params, data):
    return {"loss": jnp.abs(params - TARGET), "closeness": -jnp.abs(params - TARGET)}


def make(hp):
    plateau = pj.optim.reduce_on_plateau(hp.get("factor", 0.5), hp.get("patience", 2))
    return pj.train_step(loss, optax.chain(optax.sgd(hp["rate"]), plateau))


def swept(space=None, **settings):
    names = ("stopping", "trials", "evaluations")
    extra = {name: settings.pop(name) for name in names if name in settings}
    problem = {"evaluate": measure, "eval_data": ROWS} | settings.pop("problem", {})
    return pj.sweep(
        make, space or {"rate": pj.choice([0.5, 0.25])},
        pj.Problem(init=lambda key: jnp.float32(0), data=ROWS, **problem),
        **{"trials": pj.tuning.grid(2), "evaluations": 40} | extra,
        seeds=1, steps=200, key=jax.random.key(0), execution=pj.Execution(**settings),
    )  # fmt: skip


def fitted(hp, metric="loss", maximise=False):
    validation = pj.Validation(measure, ROWS, every=5, metric=metric, maximise=maximise)
    return pj.fit(
        make(hp), jnp.float32(0), ROWS, key=jax.random.key(0), steps=200, validation=validation
    )


LARGEST = {"metric": "closeness", "maximise": True}
ONE, MAPPED = Layout(1, stepwise=True), Layout(2)


@pytest.mark.parametrize(
    ("layout", "goal"),
    [
        (ONE, {}),
        *(
            pytest.param(layout, goal, marks=pytest.mark.slow)
            for layout, goal in [
                (ONE, LARGEST), (MAPPED, {}), (MAPPED, LARGEST), (Layout(1), {}),
                (Layout(4, stepwise=True), LARGEST),
            ]
        ),
    ],
    ids=str,
)  # fmt: skip
def test_it_is_fit_with_validation_at_the_same_steps(layout, goal):
    found = swept(layout=layout, problem=goal)
    for record in found.records:
        alone = fitted(record.hyperparameters, **goal)
        assert record.metrics["loss"] < 0.01, "a fixed rate ends 0.03 or more away"
        np.testing.assert_allclose(found.params_of(record.trial, 0), alone.params, rtol=1e-6)
        np.testing.assert_allclose(
            found.history["loss"][record.trial], alone.history["loss"], rtol=1e-5, atol=1e-6
        )
        again = found.replay(record.trial, 0)
        np.testing.assert_allclose(again.params, alone.params, rtol=1e-6)


def test_factor_and_patience_may_be_searched():
    found = swept(
        {"rate": pj.choice([0.5]), "factor": pj.uniform(0.3, 0.8), "patience": pj.integer(1, 4)},
        trials=4,
    )
    for record in found.records:
        hp = record.hyperparameters
        np.testing.assert_allclose(found.params_of(record.trial, 0), fitted(hp).params, rtol=1e-5)


def test_what_a_rung_measures_is_not_told():
    """A survivor is what it is without stopping."""
    at_once = lambda trials, steps: pj.tuning.Schedule([7, 11], lambda step, scores: {0})
    full = swept(layout=Layout(1))
    halved = swept(layout=Layout(1), stopping=at_once)
    (last,) = (r for r in halved.records if r.status != "stopped")
    assert [rung.step for rung in halved.rungs] == [7, 11]
    np.testing.assert_array_equal(halved.params_of(last.trial, 0), full.params_of(last.trial, 0))


def test_without_evaluations_it_would_wait_in_vain():
    with pytest.raises(ValueError, match=r"evaluate: reduce_on_plateau\(\) waits for evaluations"):
        swept(problem={"evaluate": None, "eval_data": None})
    with pytest.raises(ValueError, match="goes by it: unknown metric 'closenes'"):
        swept(problem={"metric": "closenes"})


def test_held_out_rows_of_a_fold_steer_nothing():
    problem = pj.Problem(init=lambda key: jnp.float32(0), data=ROWS, evaluate=measure)
    with pytest.raises(ValueError, match=r"reduce_on_plateau\(\) waits for validations"):
        pj.cross_validate(make({"rate": 0.5}), problem, steps=9, folds=2, key=jax.random.key(0))
