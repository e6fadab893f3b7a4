"""A study belongs to one search: another one that asks it is refused, and told what differs."""

import functools
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import optax
import optuna
import pytest
import searching

import paramjax as pj
from paramjax.tuning import StoreMismatchError

FUNCTION_OPTIONS = """
import sys
import jax.numpy as jnp
from test_identity import search_of_functions
search_of_functions(sys.argv[1], lambda x: x, (lambda x: 3 * x) if len(sys.argv) > 2 else jnp.tanh)
"""


def in_file(path):
    return optuna.create_study(
        study_name="one", storage=f"sqlite:///{path}", load_if_exists=True,
        sampler=optuna.samplers.RandomSampler(seed=0),
    )  # fmt: skip


def search_of_functions(path, *options):
    def make_trainer(hp):
        loss = lambda w, batch, key: (jnp.mean((hp["activation"](w) - batch) ** 2), {})
        return pj.train_step(loss, optax.sgd(hp["rate"]))

    space = {"rate": pj.uniform(0.1, 0.2), "activation": pj.choice(list(options))}
    problem = pj.Problem(init=lambda key: jnp.zeros(()), data=jnp.array([1.0, 2.0]))
    return pj.search(
        in_file(path), make_trainer, space, problem, trials=8, batch=8, seeds=1, steps=2,
        key=jax.random.key(0), execution=pj.Execution(layout=pj.populations.Layout(4)),
    )  # fmt: skip


@pytest.fixture
def half_searched(tmp_path, searched):
    """`searched` on a study with three trials of a search, which is read from its file."""
    path = tmp_path / "s.db"
    searched(in_file(path), trials=3)
    return lambda **changes: (searched(in_file(path), **changes), in_file(path))


def test_more_trials_in_other_batches_are_the_same_search(half_searched):
    result, study = half_searched(trials=4, batch=2)
    assert [record.trial for record in result.records] == [3, 3, 4, 4, 5, 5, 6, 6]
    assert len(study.trials) == 7


def test_another_search_is_refused_with_what_differs(half_searched, line, line_loss, tmp_path):
    halved = functools.partial(jax.tree.map, lambda leaf: leaf / 2)
    changes = {
        "steps was 10 and is now 12": {"steps": 12},
        "seeds was 2 and is now 3": {"seeds": 3},
        r"key was \[0, 0\] and is now \[0, 1\]": {"key": jax.random.key(1)},
        "space rate was .* and is now .*0.5": {"space": {"rate": pj.log_uniform(1e-3, 0.5)}},
        "space rate was .* and is now 'Uniform": {"space": {"rate": pj.uniform(1e-3, 0.9)}},
        "data x was .*data y was": {"data": halved(line)},
        "eval_data x was": {"eval_data": halved(line)},
        r"evaluated at was \[10\]": {"evaluations": 2},
        "metrics was": {"metrics": ["more"], "evaluate": more_metrics(line_loss)},
        "program was": {"make_trainer": lambda hp: scaled_rate(hp, line_loss)},
        "initial w was": {"init": lambda key: {"w": jnp.ones((1, 1)), "b": jnp.zeros((1, 1))}},
    }
    for message, change in changes.items():
        with pytest.raises(StoreMismatchError, match=f"{message}.*; call search as it was, or"):
            half_searched(**change)
    assert len(in_file(tmp_path / "s.db").trials) == 3


def more_metrics(line_loss):
    def evaluate(params, data):
        loss, _ = line_loss(params, data, None)
        return {"loss": loss, "more": loss}

    return evaluate


def scaled_rate(hp, line_loss):
    return pj.train_step(line_loss, optax.sgd(2 * hp["rate"]))


def test_trials_of_ones_own_and_none_at_all_are_welcome(searched, new_study):
    study = new_study()
    study.tell(
        study.ask({"rate": optuna.distributions.FloatDistribution(1e-3, 0.9, log=True)}), 3.0
    )
    study.enqueue_trial({"rate": 0.25})
    result = searched(study, trials=2, batch=2)
    assert result.records[0].hyperparameters["rate"] == pytest.approx(0.25)
    assert len(study.trials) == 3


def test_trials_of_another_search_are_refused_in_a_study_made_by_hand(searched, new_study):
    one, same, other = new_study(), new_study(), new_study()
    searched(one, trials=2, batch=2)
    for study in (same, other):
        study.add_trial(one.trials[1])
    searched(same, trials=1, batch=1)
    with pytest.raises(StoreMismatchError, match="trial 0 was told by a search with other inputs"):
        searched(other, trials=1, batch=1, steps=11)
    assert len(other.trials) == 1


def test_another_version_of_jax_goes_on(searched, new_study, monkeypatch):
    study = new_study()
    searched(study, trials=1, batch=1)
    monkeypatch.setattr(jax, "__version__", "99.0")
    searched(study, trials=1, batch=1, init=lambda key: {"w": jnp.ones((1, 1)), "b": jnp.ones(())})
    with pytest.raises(StoreMismatchError, match="steps was 10 and is now 11"):
        searched(study, trials=1, batch=1, steps=11)


@pytest.mark.slow
def test_options_that_are_functions_are_alike_in_another_process(tmp_path):
    path = str(tmp_path / "s.db")
    search_of_functions(path, lambda x: x, jnp.tanh)
    folders = [os.path.dirname(__file__), os.path.dirname(searching.__file__)]
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([os.environ.get("PYTHONPATH", ""), *folders]),
    }
    for more, code in ((), 0), (("other",), 1):
        words = [sys.executable, "-c", FUNCTION_OPTIONS, path, *more]
        done = subprocess.run(words, env=env, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
    assert "StoreMismatchError: study: 'one' belongs to another search" in done.stderr
    assert len(in_file(path).trials) == 16
