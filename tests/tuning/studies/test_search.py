"""A search finds what is best, tells what it found, and compiles once."""

import jax
import numpy as np
import optax
import optuna
import pytest
from optuna.trial import TrialState

import paramjax as pj
from paramjax.populations import prepare_starts
from paramjax.populations._programs import Programs
from paramjax.tuning.studies import _batches as batches


def descended(line, init, rate, steps=10):
    """The mean loss over two seeds of gradient descent on y = 3x + 2, in closed form.

    Slope and intercept are apart, as the mean of x is 0: their errors shrink by 1 - 2 r mean(x^2)
    and by 1 - 2 r at each step.
    """
    starts = prepare_starts(init, jax.random.split(jax.random.key(0))[1], range(2))
    square = float(np.mean(np.float64(line["x"]) ** 2))
    slope = np.float64(starts.params["w"]).ravel() - 3
    intercept = np.float64(starts.params["b"]).ravel() - 2
    slope, intercept = slope * (1 - 2 * rate * square) ** steps, intercept * (1 - 2 * rate) ** steps
    return float(np.mean(slope**2 * square + intercept**2))


def slope_and_intercept(key):
    return {"w": jax.random.normal(key, (1, 1)), "b": jax.numpy.zeros((1, 1))}


def test_it_finds_the_best_rate_of_gradient_descent(line, searched, new_study):
    study = new_study()
    result = searched(study, trials=24, batch=6, layout=None)
    for trial in study.trials:
        rate = trial.params["rate"]
        # the loss itself is a difference of float32 numbers of size 3, squared
        expected = descended(line, slope_and_intercept, rate)
        assert trial.value == pytest.approx(expected, rel=1e-3, abs=1e-9)
    rates = np.linspace(1e-3, 0.9, 2000)
    losses = [descended(line, slope_and_intercept, rate) for rate in rates]
    best = rates[int(np.argmin(losses))]
    assert study.best_params["rate"] == pytest.approx(best, abs=0.05)
    assert result.best().value == study.best_value
    assert result.best().trial == study.best_trial.number


def test_the_same_seeds_give_the_same_trials_and_values(searched, new_study):
    one, other = new_study(), new_study()
    first, second = searched(one, trials=9), searched(other, trials=9)
    assert [t.params for t in one.trials] == [t.params for t in other.trials]
    assert [t.value for t in one.trials] == [t.value for t in other.trials]
    np.testing.assert_array_equal(first.params["w"], second.params["w"])


def test_trials_are_paired_within_and_across_batches(searched, new_study):
    result = searched(new_study(), evaluate=None)
    first = result.history["loss"][:, 0].reshape(6, 2)
    np.testing.assert_array_equal(first, np.tile(first[:1], (6, 1)))
    assert len(set(first[0].tolist())) == 2


def test_all_batches_are_trained_by_the_same_programs(monkeypatch, searched, new_study):
    """Seven trials in batches of three: the last one is smaller, and fills up a call."""
    compiled = []
    compile_all = Programs._compile_all

    def counted(self, needed):
        compiled.extend(name for name in needed if name not in self._compiled)
        compile_all(self, needed)

    monkeypatch.setattr(Programs, "_compile_all", counted)
    result = searched(new_study(), trials=7)
    assert sorted(compiled) == ["begin", "segment"]
    assert len(result.records) == 14
    (choice,) = result.plan.choices
    assert (choice.runs, choice.layout) == (14, pj.populations.Layout(6))


def chained(line_loss):
    """Plain descent, and one with a momentum of its own."""
    chains = {
        "plain": lambda hp: optax.sgd(hp["rate"]),
        "heavy": lambda hp: optax.sgd(hp["rate"], momentum=hp["momentum"]),
    }
    space = {
        "momentum": pj.conditional("chain", "heavy", pj.uniform(0.0, 0.5)),
        "chain": pj.choice(["plain", "heavy"]),
        "rate": pj.uniform(0.05, 0.2),
    }
    return lambda hp: pj.train_step(line_loss, chains[hp["chain"]](hp)), space


def test_a_batch_holds_several_structures(line_loss, searched, new_study):
    make_trainer, space = chained(line_loss)
    study = new_study()
    result = searched(study, make_trainer=make_trainer, space=space, trials=8, batch=4, seeds=1)
    assert {choice.structure["chain"] for choice in result.plan.choices} == {"plain", "heavy"}
    assert sum(choice.runs for choice in result.plan.choices) == 8
    for trial, record in zip(study.trials, result.records, strict=True):
        assert ("momentum" in trial.params) == (trial.params["chain"] == "heavy")
        assert set(record.hyperparameters) == set(trial.params)
        assert result.replay(record.trial, 0).params_distance < 1e-5


def test_a_structure_may_be_met_late(line_loss, searched, new_study):
    make_trainer, space = chained(line_loss)
    study = new_study()
    for chain in ("plain", "plain", "heavy"):
        study.enqueue_trial({"chain": chain})
    result = searched(
        study, make_trainer=make_trainer, space=space, trials=3, batch=2, seeds=1, layout=None
    )
    found = [(c.structure["chain"], c.runs) for c in result.plan.choices]
    assert found == [("plain", 2), ("heavy", 1)]
    assert "heavy" in result.plan.describe()


def test_a_grid_ends_the_search(new_study, searched):
    rates = [0.1, 0.2, 0.3, 0.4]
    study = new_study(sampler=optuna.samplers.GridSampler({"rate": rates}, seed=0))
    result = searched(study, trials=50, batch=2)
    assert sorted(trial.params["rate"] for trial in study.trials) == rates
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    assert len(result.records) == 8


def test_results_that_are_too_large_go_to_a_file(monkeypatch, searched, new_study):
    """Trials of others lie between ours, in the file too."""
    monkeypatch.setattr(batches, "KEPT", 0.0)
    study = new_study()
    study.add_trial(optuna.trial.create_trial(value=1.0))
    result = searched(study, trials=4, batch=2)
    kept = searched(new_study(), trials=1, batch=1, seeds=1)
    assert result.plan.on_disk
    assert kept.plan.on_disk
    assert [record.trial for record in result.records] == [1, 1, 2, 2, 3, 3, 4, 4]
    assert result.params_of(4, 1)["w"].shape == (1, 1)
    assert result.replay(2, 0).params_distance < 1e-5
