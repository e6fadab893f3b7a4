"""Metrics of sets that arrive in batches are those of the whole."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn import metrics as sk

import paramjax as pj
from paramjax.losses import cross_entropy, supervised
from paramjax.metrics import Sums, accuracy, calibration_error, confusion_matrix, f1, mean

RNG = np.random.default_rng(0)
DATA = {
    "x": RNG.normal(size=(22, 3)).astype(np.float32),
    "y": np.sort(RNG.integers(3, size=22)).astype(np.int32),  # so that batches differ in classes
    "weight": RNG.choice([0.0, 1.0, 5.0], 22).astype(np.float32),
}
LOSS = supervised(lambda params, x: x @ params, cross_entropy)
TRAINER = pj.train_step(LOSS, optax.sgd(0.5))
PROBLEM = {"init": lambda key: jnp.zeros((3, 3)), "data": DATA, "metric": "f1", "maximise": True}


def evaluate(params, batch):
    logits = batch["x"] @ params
    rows = logits, batch["y"]
    return {
        "accuracy": mean.sums(accuracy(*rows), batch["weight"]),
        "calibration": calibration_error.sums(*rows, bins=4),
        "f1": f1.sums(*rows, average="macro"),
        "loss": LOSS(params, {"x": batch["x"], "y": batch["y"]}, None)[0],
        "weighted": f1.sums(*rows, average="weighted", weight=batch["weight"]),
    }


def expected(params, data):
    predicted = (data["x"] @ np.asarray(params)).argmax(1)
    weighted = {"average": "weighted", "sample_weight": data["weight"], "zero_division": np.nan}
    return {
        "accuracy": sk.accuracy_score(data["y"], predicted, sample_weight=data["weight"]),
        "f1": sk.f1_score(data["y"], predicted, average="macro", zero_division=np.nan),
        "weighted": sk.f1_score(data["y"], predicted, labels=range(3), **weighted),
    }


def test_a_validation_in_batches_is_that_of_the_whole(key):
    found = []
    for batch_size in (None, 5):
        validation = pj.Validation(
            evaluate, DATA, every=4, batch_size=batch_size, metric="f1", maximise=True
        )
        run = pj.fit(TRAINER, jnp.zeros((3, 3)), DATA, steps=4, key=key, validation=validation)
        found.append({name: float(values[-1]) for name, values in run.validation.items()})
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    for name, value in expected(run.params, DATA).items():
        assert found[1][name] == pytest.approx(value, rel=1e-5)


def test_folds_and_populations_are_measured_as_a_whole(key):
    problem = pj.Problem(evaluate=evaluate, **PROBLEM)
    result = pj.cross_validate(TRAINER, problem, steps=4, key=key, folds=2, eval_batch_size=4)
    for fold in range(2):
        held_out = {name: part[np.asarray(result.folds) == fold] for name, part in DATA.items()}
        for name, value in expected(result.params[fold], held_out).items():
            assert result.metrics[name][fold] == pytest.approx(value, rel=1e-5)
    problem = pj.Problem(evaluate=evaluate, eval_data=DATA, **PROBLEM)
    swept = pj.sweep(lambda hp: TRAINER, {}, problem, trials=1, seeds=1, steps=4, key=key)
    assert swept.best().value == pytest.approx(expected(swept.params[0], DATA)["f1"], rel=1e-5)


def test_sums_are_added_in_float32_and_own_ones_are_taken(key):
    def overflowing(params, batch):
        x = batch["x"].astype(jnp.float16).ravel()
        own = Sums({"n": x.size, "x": 9000 * x.sum() ** 0}, lambda s: s["x"] / s["n"])
        return {"loss": 0.0, "own": own}

    validation = pj.Validation(overflowing, DATA, every=1, batch_size=2)
    run = pj.fit(TRAINER, jnp.zeros((3, 3)), DATA, steps=1, key=key, validation=validation)
    assert run.validation["own"][-1] == pytest.approx(11 * 9000 / 66)


def test_a_metric_that_is_no_number_is_refused(key):
    def matrix(params, batch):
        return {"matrix": confusion_matrix.sums(batch["x"] @ params, batch["y"])}

    validation = pj.Validation(matrix, DATA, every=1, metric="matrix")
    with pytest.raises(ValueError, match=r"'matrix' has shape \(3, 3\), expected a scalar"):
        pj.fit(TRAINER, jnp.zeros((3, 3)), DATA, steps=1, key=key, validation=validation)
    problem = pj.Problem(evaluate=matrix, eval_data=DATA, **PROBLEM)
    with pytest.raises(ValueError, match="'matrix': expected one number for all rows"):
        pj.sweep(lambda hp: TRAINER, {}, problem, trials=1, seeds=1, steps=1, key=key)


@pytest.mark.parametrize(("rows", "size"), [(7, 3), (6, 3), (2, 3)])
def test_outputs_in_batches_are_those_of_all_rows(rows, size):
    x = jnp.arange(2.0 * rows).reshape(rows, 2)
    apply = lambda x: {"sum": x.sum(axis=1), "square": x**2}
    found = pj.metrics.in_batches(apply, x, size)
    jax.tree.map(np.testing.assert_array_equal, found, apply(x))
    with pytest.raises(ValueError, match="in_batches: batch_size"):
        pj.metrics.in_batches(apply, x, 0)
    for odd in ({}, 3.0, {"a": np.zeros(5), "b": np.zeros(4)}):
        with pytest.raises(ValueError, match=r"leaves \[rows, ...\] of one length, got"):
            pj.metrics.in_batches(apply, odd, 2)
