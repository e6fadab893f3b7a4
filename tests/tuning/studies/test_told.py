"""A study is told means over seeds, one for each objective, and which trials were lost."""

import jax
import numpy as np
import optax
import pytest
from optuna.trial import TrialState

import paramjax as pj


def test_what_is_told_is_the_mean_over_the_seeds(searched, new_study):
    study = new_study()
    result = searched(study)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 6
    assert [(r.trial, r.seed) for r in result.records] == [(t, s) for t in range(6) for s in (0, 1)]
    for trial in study.trials:
        own = [record for record in result.records if record.trial == trial.number]
        values = [record.metrics["loss"] for record in own]
        assert trial.value == np.mean(values)
        assert trial.user_attrs["seeds"] == {"loss": values}
        assert trial.user_attrs["status"] == ["finished", "finished"]
        assert trial.user_attrs["diverged_step"] == [None, None]
        assert own[0].hyperparameters["rate"] == float(np.float32(trial.params["rate"]))
    assert result.params["w"].shape == (12, 1, 1)


def test_several_objectives_have_a_front(line_loss, searched, new_study):
    """A line that is pulled to zero is smaller and fits worse."""

    def make_trainer(hp):
        def loss(params, batch, key):
            fit, aux = line_loss(params, batch, key)
            return fit + hp["decay"] * optax.tree.norm(params, squared=True), aux

        return pj.train_step(loss, optax.sgd(0.2))

    def evaluate(params, data):
        size = sum(abs(leaf).sum() for leaf in jax.tree.leaves(params))
        return {"fit": -line_loss(params, data, None)[0], "size": size}

    study = new_study("maximize", "minimize")
    result = searched(
        study, make_trainer=make_trainer, space={"decay": pj.log_uniform(1e-2, 1.0)},
        evaluate=evaluate, metrics=["fit", "size"], steps=60,
    )  # fmt: skip
    # more decay is always smaller and worse, so that every trial is on the front
    assert len(study.best_trials) == 6
    by_decay = sorted(study.trials, key=lambda trial: trial.params["decay"])
    assert [t.values for t in by_decay] == sorted((t.values for t in by_decay), reverse=True)
    assert result.best("fit", maximise=True).trial == by_decay[0].number
    assert result.best("size").trial == by_decay[-1].number


@pytest.mark.parametrize(
    ("directions", "metrics", "lost"),
    [
        (("minimize",), ["loss"], TrialState.PRUNED),
        (("minimize",) * 2, ["loss"] * 2, TrialState.FAIL),
    ],
)
def test_a_trial_that_diverges_is_not_complete(directions, metrics, lost, searched, new_study):
    """Beyond a rate of 1 the intercept grows by |1 - 2 r| at each step, here out of float32."""
    study = new_study(*directions)
    for rate in (0.3, 1e9):
        study.enqueue_trial({"rate": rate})
    space = {"rate": pj.log_uniform(1e-3, 1e9)}
    result = searched(study, space=space, trials=2, batch=2, metrics=metrics)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, lost]
    attributes = study.trials[1].user_attrs
    assert attributes["seeds"] == {"loss": [None, None]}
    assert attributes["status"] == ["diverged", "diverged"]
    assert attributes["diverged_step"] == [r.diverged_step for r in result.records[2:]]
    assert all(0 < step < 10 for step in attributes["diverged_step"])
    assert result.best().trial == 0
