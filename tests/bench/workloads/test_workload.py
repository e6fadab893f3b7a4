import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.bench.workloads import Workload, evaluate_with
from paramjax.losses import squared_error, supervised

LOSS = supervised(lambda w, x: x @ w, squared_error, {"bias": lambda out, y: out - y})
ROWS = {"x": np.ones((20, 2), np.float32), "y": np.full(20, 3, np.float32)}


def workload(**change):
    given = {"name": "mine", "init": lambda key: jnp.zeros(2), "loss_fn": LOSS, "data": ROWS}
    return Workload(**{**given, **change})


def counting(params, seen, batch, key):
    """A stateful loss whose evaluation shows the state that it was given."""
    return jnp.sum(params**2), (seen + 1, {"seen": seen})


def test_it_is_a_problem_that_a_sweep_takes():
    result = pj.sweep(
        lambda hp: pj.train_step(LOSS, optax.sgd(hp["rate"])), {"rate": pj.uniform(0.1, 0.2)},
        workload(eval_data=ROWS), trials=1, seeds=1, steps=40, key=jax.random.key(0),
    )  # fmt: skip
    assert set(result.records[0].metrics) >= {"loss", "bias"}
    assert result.records[0].metrics["bias"] == pytest.approx(0, abs=1e-3)


def test_data_is_loaded_once_and_only_when_asked():
    calls = []

    def load():
        calls.append(None)
        return ROWS

    lazy = workload(data=load, test_data=load, eval_data=None)
    assert calls == []
    loaded = lazy.loaded()
    assert loaded.data is ROWS
    assert loaded.test_data is ROWS
    assert loaded.eval_data is None
    assert len(calls) == 2
    assert loaded.loaded() is loaded
    assert loaded.check() == 20
    assert (loaded.name, loaded.loss_fn) == (lazy.name, lazy.loss_fn)


def test_without_an_evaluation_the_loss_is_evaluated():
    metrics = workload().evaluate(jnp.array([1.0, 1.0]), ROWS)
    assert {name: float(value) for name, value in metrics.items()} == {"loss": 1.0, "bias": -1.0}
    given = evaluate_with(LOSS)
    assert workload(evaluate=given).evaluate is given


def test_a_stateful_loss_is_evaluated_with_its_state():
    stateful = workload(loss_fn=counting, stateful=True, model_state=np.int32(0), metric="seen")
    metrics = stateful.evaluate(jnp.array([3.0, 4.0]), jnp.int32(7), ROWS)
    assert (float(metrics["loss"]), int(metrics["seen"])) == (25.0, 7)
    assert stateful.check() == 20


def test_another_loss_is_evaluated_by_itself_unless_an_evaluation_was_given():
    other = lambda params, batch, key: (jnp.float32(5.0), {})
    changed = dataclasses.replace(workload().loaded(), loss_fn=other)
    assert float(changed.evaluate(jnp.zeros(2), ROWS)["loss"]) == 5.0
    given = evaluate_with(LOSS)
    kept = dataclasses.replace(workload(evaluate=given), loss_fn=other)
    assert kept.evaluate is given


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"name": ""}, TypeError, ": name: expected a name, got str ''"),
        ({"name": None}, TypeError, ": name: expected a name, got None"),
        ({"init": 3}, TypeError, r"mine: init: expected a function \(key\) -> params, got int 3"),
        ({"loss_fn": 3}, TypeError, "mine: loss_fn: expected a function, got int 3"),
        ({"metric": None}, TypeError, "mine: metric: expected a name, got None"),
        ({"margin": -0.1}, ValueError, "mine: margin: expected a number from 0, .*, got -0.1"),
        ({"margin": float("nan")}, ValueError, "mine: margin: expected a number from 0"),
        ({"margin": "1 %"}, TypeError, "mine: margin: expected a number, got str '1 %'"),
        ({"margin": len}, TypeError, "mine: margin: expected a number or None, got"),
        ({"target": float("inf")}, ValueError, "mine: target: expected a number .*, got inf"),
        ({"batch_size": 0}, ValueError, "mine: batch_size: expected a whole number from 1"),
        ({"batch_size": len}, TypeError, "mine: batch_size: .*compared at one batch size"),
    ],
)
def test_bad_fields_are_refused_before_anything_is_loaded(change, error, message):
    with pytest.raises(error, match=f"^workload.*{message}"):
        workload(**change)


def raises(*args):
    raise RuntimeError("no luck today\nand more")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"data": lambda: ROWS}, TypeError, "data: expected arrays, got a function; call"),
        ({"data": {}}, ValueError, "data: expected at least one array, got an empty tree"),
        ({"data": {"x": np.zeros(0)}}, ValueError, "data: leaf x is empty"),
        ({"eval_data": {"x": np.full(3, np.nan)}}, ValueError, "eval_data: leaf x holds 3"),
        ({"test_data": {"x": np.array(["a"])}}, TypeError, "test_data: leaf x is"),
        ({"batch_size": 21}, ValueError, "batch_size: expected at most the 20 rows"),
        ({"init": raises}, ValueError, "init raised RuntimeError: no luck today$"),
        ({"loss_fn": raises}, ValueError, "loss_fn raised RuntimeError: no luck today$"),
        ({"evaluate": raises}, ValueError, "evaluate raised RuntimeError: no luck today$"),
        ({"init": lambda key, fixed: 0.0}, TypeError, "init: .*the same for every optimizer"),
        ({"metric": "los"}, ValueError, "decides: unknown metric 'los'; nearest: loss"),
        ({"evaluate": lambda params, data: {"loss": data["y"]}}, ValueError,
         r"metric 'loss': expected one number for all rows, got float32\[20\]"),
        ({"evaluate": lambda params, data: 3.0}, ValueError, "evaluate raised TypeError: evaluate"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_or_evaluated_is_refused(change, error, message):
    with pytest.raises(error, match=f"^workload mine: .*{message}"):
        workload(**change).check()


def leaves():
    raise SystemExit("usage: no")


@pytest.mark.parametrize("part", ["data", "eval_data", "test_data"])
def test_data_that_leave_the_program_are_named(part):
    with pytest.raises(ValueError, match=f"mine: {part} raised SystemExit: usage: no"):
        workload(**{part: leaves}).loaded()


@pytest.mark.parametrize(
    ("stateful", "output", "form"),
    [
        (False, lambda p: p.sum(), r"\(loss, metrics\) .* got float32\[\]"),
        (False, lambda p: (p.sum(), None), r"got \(float32\[\], NoneType\)"),
        (False, lambda p: (p.sum(), p), r"got \(float32\[\], float32\[2\]\)"),
        (False, lambda p: (p, {}), r"one number, got float32\[2\]; take its mean"),
        (True, lambda p: (p.sum(), {}), r"\(loss, \(model_state, metrics\)\) .*, dict\)"),
        (True, lambda p: (p.sum(), (0, None)), r", \(int32\[\], NoneType\)\)"),
    ],
)
def test_a_loss_of_another_form_is_named(stateful, output, form):
    own = workload(
        loss_fn=lambda params, *rest: output(params), stateful=stateful,
        evaluate=lambda params, *rest: {"loss": params.sum()},
    )  # fmt: skip
    with pytest.raises(ValueError, match=f"workload mine: loss_fn: expected .*{form}"):
        own.check()


def test_a_model_state_made_of_the_parameters_is_checked():
    def loss_fn(params, teacher, batch, key):
        return jnp.sum((params - teacher) ** 2), (teacher, {})

    made = workload(loss_fn=loss_fn, stateful=True, model_state=lambda params: 2 * params)
    assert made.check() == 20
    assert made.model_state_of(jnp.ones(2)).tolist() == [2.0, 2.0]
    assert workload().model_state_of(jnp.ones(2)) == ()
    with pytest.raises(ValueError, match="workload mine: model_state raised KeyError: 'w'"):
        workload(loss_fn=loss_fn, stateful=True, model_state=lambda p: {}["w"]).check()


def test_half_a_character_is_no_name():
    with pytest.raises(ValueError, match="workload: name: expected text, got"):
        workload(name="\ud800")
