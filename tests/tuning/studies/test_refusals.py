import sys

import jax
import numpy as np
import optax
import pytest

import paramjax as pj


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"key": jax.random.PRNGKey(0)}, TypeError, "legacy PRNGKey"),
        ({"trials": 0}, ValueError, "trials: expected a whole number from 1"),
        ({"batch": 0}, ValueError, "batch: expected a whole number from 1"),
        ({"batch": 2.5}, TypeError, "batch: expected a whole number"),
        ({"seeds": 0}, ValueError, "seeds: expected"),
        ({"steps": 0}, ValueError, "steps: expected"),
        ({"space": {"rate": 0.1}}, TypeError, "'rate' must be drawn from"),
        ({"data": np.full((3, 1), np.inf)}, ValueError, "NaN or infinite"),
        ({"metric": "los"}, ValueError, "unknown metric 'los'; nearest: loss"),
        ({"metrics": ["loss", "loss"]}, ValueError, r"each direction of the study, \['minimize'\]"),
        ({"metrics": "loss"}, TypeError, "metrics: expected a list of names or None, got str"),
        ({"maximise": True}, ValueError, "study: expected the direction maximize, as the problem"),
        ({"problem": 3}, TypeError, "problem: expected a pj.Problem, got int 3"),
        ({"metrics": [1]}, TypeError, "metrics: expected a list of names"),
        ({"execution": 3}, TypeError, "execution: expected a pj.Execution, got int 3"),
        (
            {"space": {"rate": pj.uniform(0.1, 0.2), "decay": pj.uniform(0.1, 0.2)}},
            ValueError, "nothing depends on 'decay'",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_refused_before_a_trial_is_asked_for(
    change, error, message, searched, new_study
):
    study = new_study()
    with pytest.raises(error, match=message):
        searched(study, **change)
    assert study.trials == []


def test_what_is_no_study_is_refused(searched):
    with pytest.raises(TypeError, match="study: expected a study such as"):
        searched("sqlite:///study.db")


def test_a_metric_of_some_structures_alone_is_refused(line_loss, searched, new_study):
    def evaluate(params, data, hp):
        return {"loss" if hp["twice"] else "error": line_loss(params, data, None)[0]}

    with pytest.raises(ValueError, match=r"unknown metric 'loss' \(known: error"):
        searched(
            new_study(), evaluate=evaluate, trials=8, batch=8,
            space={"rate": pj.uniform(0.1, 0.2), "twice": pj.choice([True, False])},
            make_trainer=lambda hp: pj.train_step(
                line_loss, optax.sgd(hp["rate"] * (2 if hp["twice"] else 1))
            ),
        )  # fmt: skip


def test_what_one_structure_does_not_read_another_may(line_loss, searched, new_study):
    """A momentum that exists in every trial, and that plain descent has no use for."""
    chains = {
        "plain": lambda hp: optax.sgd(hp["rate"]),
        "heavy": lambda hp: optax.sgd(hp["rate"], momentum=hp["momentum"]),
    }
    study = new_study()
    study.enqueue_trial({"chain": "plain"})
    searched(
        study, trials=1, batch=1, seeds=1, layout=pj.populations.Layout(1),
        space={
            "chain": pj.choice(["plain", "heavy"]), "rate": pj.uniform(0.1, 0.2),
            "momentum": pj.uniform(0.0, 0.5),
        },
        make_trainer=lambda hp: pj.train_step(line_loss, chains[hp["chain"]](hp)),
    )  # fmt: skip
    assert study.trials[0].params["chain"] == "plain"


def test_one_distributed_program_is_refused(monkeypatch, searched, new_study):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(ValueError, match="start separate programs"):
        searched(new_study())


def test_a_missing_package_is_named(monkeypatch, searched):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "paramjax\[tune\]"'):
        searched(None)
