import jax
import numpy as np
import pytest
from problems import draw_line, sweep_line

import paramjax as pj

# how much memory there is, is no argument
from paramjax.populations.planning import _choose as choose


@pytest.fixture(scope="module")
def swept(line, line_loss):
    """Four rates by three seeds, rates up to where the line cannot be reached."""
    return sweep_line(
        line, line_loss, space={"rate": pj.log_uniform(1e-3, 100.0)}, batch_size=10, seeds=3,
        evaluate=lambda params, data: {"loss": line_loss(params, data, None)[0]}, eval_data=line,
        steps=40, evaluations=4,
    )  # fmt: skip


def test_every_training_has_its_record(swept):
    assert [(r.trial, r.seed) for r in swept.records] == [
        (t, s) for t in range(4) for s in range(3)
    ]
    assert swept.history["loss"].shape == (12, 40)
    assert swept.curve["loss"].shape == (12, 4)
    assert swept.params["w"].shape == (12, 1, 1)
    assert all(r.curve["step"] == [10, 20, 30, 40] for r in swept.records)
    lost = sum(r.status == "diverged" for r in swept.records)
    assert repr(swept) == f"<Sweep of 4 trials, 12 trainings, {lost} diverged>"


def test_seeds_start_alike_in_every_trial(swept):
    first = np.asarray(swept.history["loss"][:, 0]).reshape(4, 3)
    np.testing.assert_allclose(first, np.tile(first[:1], (4, 1)), rtol=1e-6)
    assert len(set(first[0].tolist())) == 3


def test_divergence_is_marked_and_left_to_itself(swept):
    """Gradient descent diverges beyond 2 / lambda_max, and the bias alone has lambda = 2."""
    for record in swept.records:
        rate, losses = record.hyperparameters["rate"], record.curve["train_loss"]
        if rate > 1.0:
            assert record.status == "diverged"
        if rate < 0.5:
            assert record.status == "finished"
            assert np.isfinite(losses).all()
    assert {r.status for r in swept.records} == {"finished", "diverged"}


def test_a_training_repeated_alone_is_its_lane(swept):
    """Under vmap XLA may order sums otherwise: equal to 1e-5, not to the bit."""
    for trial in (swept.best().trial, swept.records[-1].trial):
        again = swept.replay(trial, 1)
        assert again.params_distance < 1e-5
        assert again.loss_distance < 1e-4
        steps = swept.records[3 * trial + 1].steps
        assert again.history["loss"].shape == (steps,)
        assert "its lane" in str(again)
    with pytest.raises(ValueError, match="expected a trial from 0 to 3 and a seed from 0 to 2"):
        swept.replay(4, 0)


def test_the_best_trial_has_the_smallest_mean(swept):
    by_trial = np.array([r.metrics["loss"] for r in swept.records]).reshape(4, 3)
    means = np.where(np.isfinite(by_trial).all(1), by_trial.mean(1), np.inf)
    best = swept.best()
    assert best.trial == int(np.argmin(means))
    assert best.value == pytest.approx(means.min())
    assert best.values == pytest.approx(by_trial[best.trial])
    assert swept.best(maximise=True).trial != best.trial
    with pytest.raises(ValueError, match="unknown metric 'los'; nearest: loss"):
        swept.best("los")


def test_a_sweep_gives_its_table(swept):
    table = swept.to_frame()
    assert table["rate"].tolist() == [r.hyperparameters["rate"] for r in swept.records]
    assert table["loss"].to_numpy() == pytest.approx(
        [r.metrics["loss"] for r in swept.records], nan_ok=True
    )


def quick(line, line_loss, **settings):
    arguments = {"space": {"rate": pj.uniform(0.1, 0.2)}, "trials": 1, "seeds": 1, "steps": 1}
    return sweep_line(line, line_loss, **arguments | settings)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"key": jax.random.PRNGKey(0)}, TypeError, "legacy PRNGKey"),
        ({"key": jax.random.key(0, impl="rbg")}, ValueError, "threefry"),
        ({"make_trainer": 3}, TypeError, "make_trainer: expected a function .*, got int"),
        ({"trials": 0}, ValueError, "trials: expected"),
        ({"seeds": 0}, ValueError, "seeds: expected"),
        ({"seeds": 2.5}, TypeError, "seeds: expected a whole number, got float 2.5"),
        ({"evaluations": 0}, ValueError, "evaluations: expected"),
        ({"space": {"rate": 0.1}}, TypeError, "'rate' must be drawn from"),
        ({"problem": {"init": draw_line}}, TypeError, "problem: expected a pj.Problem, got dict"),
        ({"init": 3}, TypeError, r"problem: init: expected a function \(key\) -> params"),
        ({"evaluate": 3}, TypeError, "problem: evaluate: expected a function or None, got int 3"),
        ({"metric": None}, TypeError, "problem: metric: expected a name, got None"),
        ({"metric": "los"}, ValueError, "unknown metric 'los'; nearest: loss"),
        ({"data": np.full((3, 1), np.inf)}, ValueError, "NaN or infinite"),
        ({"batch_size": 99}, ValueError, "at most the 20 rows"),
        ({"batch_size": 0}, ValueError, "batch_size: expected"),
        ({"evaluate": lambda p, d: 1.0}, TypeError, "evaluate: expected it to return metrics"),
        ({"stopping": 3}, TypeError, "stopping: expected None or a rule .*, got int 3"),
        (
            {"stopping": pj.tuning.hyperband, "trials": 4},
            TypeError, "with its parentheses, got hyperband",
        ),
        ({"store": 3}, TypeError, "store: expected a path, got int 3; pass"),
        ({"execution": 3}, TypeError, "execution: expected a pj.Execution, got int 3"),
        ({"layout": 4}, TypeError, "layout: expected a pj.populations.Layout or None, got int 4"),
        ({"devices": []}, ValueError, "expected different devices, at least one"),
        ({"memory": 2**60}, ValueError, "asked for 1024.0 PiB, and there is"),
        ({"memory": 2**20}, ValueError, "less than the .* that the program takes before"),
        ({"memory": "all"}, TypeError, "expected a number of bytes or 'auto', got str 'all'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)  # fmt: skip
def test_bad_input_is_refused(line, line_loss, change, error, message):
    with pytest.raises(error, match=message):
        quick(line, line_loss, **change)


def test_a_single_run_that_memory_does_not_hold_is_refused(line, line_loss, monkeypatch):
    monkeypatch.setattr(choose, "memory_limit", lambda memory: 10**9 + 1)
    monkeypatch.setattr(choose, "memory_in_use", lambda: 10**9)
    with pytest.raises(ValueError, match="a single run takes .*; allow more, or take a smaller"):
        quick(line, line_loss)


def test_the_width_shrinks_until_it_fits(line, line_loss, monkeypatch):
    room, layout = 400_000, pj.populations.Layout(128)
    monkeypatch.setattr(choose, "memory_limit", lambda memory: 10**9 + room)
    monkeypatch.setattr(choose, "memory_in_use", lambda: 10**9)
    result = quick(line, line_loss, trials=64, seeds=2, steps=50, layout=layout)
    (choice,) = result.plan.choices
    assert choice.layout.width < 128
    assert result.plan.peak <= 10**9 + room
    assert len(result.records) == 128


@pytest.mark.parametrize("maximise", [False, True])
def test_none_of_lost_trials_is_the_best(line, line_loss, maximise):
    lost = {"rate": pj.log_uniform(1e6, 1e7)}
    found = sweep_line(line, line_loss, space=lost, steps=30)
    assert {str(record.status) for record in found.records} == {"diverged"}
    for call in (lambda: found.best(maximise=maximise), lambda: found.refit()):
        with pytest.raises(ValueError, match="best: no trial has a finite 'loss' .* all 4 have"):
            call()
    found.plot()
