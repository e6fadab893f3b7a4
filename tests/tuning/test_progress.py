import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.runs._progress import Progress  # its updates are counted

DATA = np.array([1.0, 3.0], np.float32)
SPACE = {"rate": pj.log_uniform(1e-3, 0.4)}
SHOWN = pj.Execution(layout=pj.populations.Layout(3), progress=True)


def loss_fn(params, batch, key):
    return jnp.mean((params - batch) ** 2), {}


def evaluate(params, data):
    return {"distance": jnp.abs(params - data.mean())}


PROBLEM = pj.Problem(
    init=lambda key: 9.0 + jax.random.normal(key),
    data=DATA,
    evaluate=evaluate,
    eval_data=DATA,
    metric="distance",
)


def make_trainer(hp):
    return pj.train_step(loss_fn, optax.sgd(hp["rate"]))


def swept(**settings):
    arguments = {"trials": 6, "seeds": 2, "steps": 9, "key": jax.random.key(0), "execution": SHOWN}
    return pj.sweep(make_trainer, SPACE, PROBLEM, **(arguments | settings))


@pytest.fixture
def shown(capsys):
    """What was shown: one line where standard error is no terminal, at the end."""
    return lambda: capsys.readouterr().err


def best(result):
    return f"best distance {min(r.metrics['distance'] for r in result.records):#.4g}"


def test_a_sweep_shows_steps_runs_and_the_best_score(shown):
    result = swept()
    line = shown()
    assert line.startswith(f"108/108 runs 12/12  {best(result)} ")
    assert line.endswith(" in all\n")


def test_runs_that_are_stopped_count_as_ended(shown):
    result = swept(stopping=pj.tuning.successive_halving(3))
    done = sum(record.steps for record in result.records)
    assert done < 108
    assert shown().startswith(f"{done}/{done} runs 12/12  best distance ")


def test_what_a_store_holds_counts_as_done(shown, tmp_path):
    quiet = pj.Execution(layout=SHOWN.layout, progress=False)
    swept(store=tmp_path, execution=quiet)
    assert shown() == ""
    result = swept(store=tmp_path)
    assert shown().startswith(f"108/108 runs 12/12  {best(result)} ")


def test_without_a_terminal_nothing_is_shown_unless_asked_for(shown):
    swept(execution=pj.Execution(layout=SHOWN.layout))
    assert shown() == ""


def test_a_search_shows_them_too(shown):
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    result = pj.search(
        study, make_trainer, SPACE, PROBLEM,
        trials=4, batch=2, seeds=2, steps=9, key=jax.random.key(0), execution=SHOWN,
    )  # fmt: skip
    assert shown().startswith(f"72/72 runs 8/8  {best(result)} ")


@pytest.mark.parametrize(("steps", "segments"), [(40, 20), (9, 9), (23, 1)])
def test_a_cross_validation_shows_its_steps(shown, monkeypatch, steps, segments):
    """It is cut into equal segments, 20 at most, so that one program serves them all."""
    seen = []
    update = Progress.update
    monkeypatch.setattr(Progress, "update", lambda *args: (seen.append(args[1]), update(*args)))
    result = pj.cross_validate(
        make_trainer({"rate": 0.1}), dataclasses.replace(PROBLEM, eval_data=None), folds=2,
        steps=steps, key=jax.random.key(0), progress=True,
    )  # fmt: skip
    assert len(seen) == segments
    assert result.history["loss"].shape == (2, steps)
    loss = result.history["loss"][:, -1].mean()
    assert shown().startswith(f"{2 * steps}/{2 * steps} mean loss {loss:#.4g} ")
