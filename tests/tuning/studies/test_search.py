import jax
import numpy as np
import optax
import optuna
import pytest
from optuna.trial import TrialState
from problems import draw_line
from searching import create_study, run_search

import paramjax as pj
from paramjax.populations import prepare_starts

# what is compiled, and how much is kept in memory, has no public name
from paramjax.populations._programs import Programs
from paramjax.tuning.studies import _batches as batches


def descended(line, init, rate, steps=10):
    """The mean loss over two seeds of gradient descent on y = 3x + 2, in closed form.

    Slope and intercept are independent, as the mean of x is 0: their errors shrink by
    1 - 2 r mean(x^2) and by 1 - 2 r at each step.
    """
    starts = prepare_starts(init, jax.random.split(jax.random.key(0))[1], range(2))
    square = float(np.mean(np.float64(line["x"]) ** 2))
    slope = np.float64(starts.params["w"]).ravel() - 3
    intercept = np.float64(starts.params["b"]).ravel() - 2
    slope, intercept = slope * (1 - 2 * rate * square) ** steps, intercept * (1 - 2 * rate) ** steps
    return float(np.mean(slope**2 * square + intercept**2))


@pytest.fixture(scope="module")
def found(line, line_loss):
    """A study of 24 trials in batches of 6, and what the search returned."""
    study = create_study()
    return study, run_search(line, line_loss, study, trials=24, batch=6)


def test_it_finds_the_best_rate_of_gradient_descent(line, found):
    study, result = found
    for trial in study.trials:
        # the loss itself is a difference of float32 numbers of size 3, squared
        expected = descended(line, draw_line, trial.params["rate"])
        assert trial.value == pytest.approx(expected, rel=1e-3, abs=1e-9)
    rates = np.linspace(1e-3, 0.9, 2000)
    losses = [descended(line, draw_line, rate) for rate in rates]
    best = rates[int(np.argmin(losses))]
    assert study.best_params["rate"] == pytest.approx(best, abs=0.05)
    assert result.best().value == study.best_value
    assert result.best().trial == study.best_trial.number


def test_the_study_is_told_the_mean_over_the_seeds(found):
    study, result = found
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 24
    assert [(r.trial, r.seed) for r in result.records] == [
        (t, s) for t in range(24) for s in (0, 1)
    ]
    assert result.params["w"].shape == (48, 1, 1)
    for trial in study.trials:
        own = result.records[2 * trial.number : 2 * trial.number + 2]
        values = [record.metrics["loss"] for record in own]
        assert trial.value == np.mean(values)
        assert {n: v for n, v in trial.user_attrs.items() if n != "hash"} == {
            "seeds": {"loss": values}, "status": ["finished"] * 2, "diverged_step": [None, None],
        }  # fmt: skip
        assert own[0].hyperparameters["rate"] == float(np.float32(trial.params["rate"]))
    # trials are paired within and across batches
    first = result.history["loss"][:, 0].reshape(24, 2)
    np.testing.assert_array_equal(first, np.tile(first[:1], (24, 1)))
    assert len(set(first[0].tolist())) == 2


def test_the_same_seeds_give_the_same_trials_from_the_same_programs(
    monkeypatch, searched, new_study
):
    """Seven trials in batches of three: the last one is smaller, and fills up a call."""
    compiled = []
    compile_all = Programs._compile_all

    def counted(self, needed):
        compiled.extend(name for name in needed if name not in self._compiled)
        compile_all(self, needed)

    one, other = new_study(), new_study()
    first = searched(one, trials=7)
    monkeypatch.setattr(Programs, "_compile_all", counted)
    second = searched(other, trials=7)
    assert sorted(compiled) == ["segment"]
    (choice,) = second.plan.choices
    assert (choice.runs, choice.layout) == (14, pj.populations.Layout(6))
    assert [t.params for t in one.trials] == [t.params for t in other.trials]
    assert [t.value for t in one.trials] == [t.value for t in other.trials]
    np.testing.assert_array_equal(first.params["w"], second.params["w"])


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


def test_a_structure_may_be_met_late(line_loss, searched, new_study):
    """The first batch holds one structure, the second one both."""
    make_trainer, space = chained(line_loss)
    study = new_study()
    for chain in ("plain", "plain", "plain", "heavy"):
        study.enqueue_trial({"chain": chain})
    result = searched(
        study, make_trainer=make_trainer, space=space, trials=4, batch=2, seeds=1, layout=None
    )
    found = [(c.structure["chain"], c.runs) for c in result.plan.choices]
    assert found == [("plain", 3), ("heavy", 1)]
    assert "heavy" in result.plan.describe()
    for trial, record in zip(study.trials, result.records, strict=True):
        assert ("momentum" in trial.params) == (trial.params["chain"] == "heavy")
        assert set(record.hyperparameters) == set(trial.params)
    assert result.replay(3, 0).params_distance < 1e-5


def test_a_grid_ends_the_search(new_study, searched):
    rates = [0.1, 0.2, 0.3, 0.4]
    study = new_study(sampler=optuna.samplers.GridSampler({"rate": rates}, seed=0))
    result = searched(study, trials=50, batch=2, evaluate=None)
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
