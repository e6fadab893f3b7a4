"""What a killed search left running is tried again; what a living one trains is left alone."""

import contextlib
import functools
import os
import sqlite3
import subprocess
import sys

import numpy as np
import optuna
import pytest
import searching
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from searching import run_search

from paramjax.tuning import DamagedError, StoreUnavailableError

GRID = {"rate": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}
KILLED = """
import sys, time
from test_killed import LINE, study_in, sum_of_squares
from searching import run_search
from paramjax.tuning.studies import _batches as batches

def wait(*args, **kwargs):
    print("training", flush=True)
    time.sleep(120)

train_rounds, batches_seen = batches.train_rounds, []
def train(*args, **kwargs):
    batches_seen.append(1)
    return train_rounds(*args, **kwargs) if len(batches_seen) == 1 else wait()
batches.train_rounds = train
run_search(LINE, sum_of_squares, study_in(*sys.argv[1:]), trials=6, batch=2, steps=3)
"""
LINE = {"x": np.ones((4, 1), np.float32), "y": np.ones((4, 1), np.float32)}


def sum_of_squares(params, batch, key):
    return (params["w"] ** 2).sum(), {}


@pytest.fixture
def searched():
    return functools.partial(run_search, LINE, sum_of_squares)


def study_in(path, sampler):
    storage = f"sqlite:///{path}"
    if path.endswith(".log"):
        storage = JournalStorage(JournalFileBackend(path))
    samplers = optuna.samplers
    return optuna.create_study(
        study_name="one", storage=storage, load_if_exists=True,
        sampler=samplers.GridSampler(GRID, seed=0) if sampler == "grid" else samplers.TPESampler(),
    )  # fmt: skip


@pytest.fixture
def training(tmp_path):
    """A function that starts a search in another process, which hangs in its second batch."""
    started = []

    def start(*arguments):
        folders = [os.path.dirname(__file__), os.path.dirname(searching.__file__)]
        path = os.pathsep.join([os.environ.get("PYTHONPATH", ""), *folders])
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, *arguments], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        started.append(process)
        assert process.stdout.readline() == "training\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def states(study):
    return [trial.state for trial in study.trials]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sampler"), [("s.db", "grid"), pytest.param("s.log", "tpe", marks=pytest.mark.slow)]
)
def test_what_a_kill_left_running_is_tried_again(tmp_path, searched, training, name, sampler):
    path = str(tmp_path / name)
    process = training(path, sampler)
    study = study_in(path, sampler)
    running = [trial.params for trial in study.trials if trial.state == TrialState.RUNNING]
    assert len(running) == 2
    # the other one lives, and its trials are its own
    mine = searched(study, trials=2, batch=2, steps=3)
    assert {record.trial for record in mine.records} == {4, 5}
    assert states(study)[2:4] == [TrialState.RUNNING] * 2
    process.kill()
    process.wait()
    searched(study_in(path, sampler), trials=2, batch=2, steps=3)
    assert states(study)[2:4] == [TrialState.FAIL] * 2
    assert [trial.params for trial in study.trials[6:]] == running
    complete = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    assert len(complete) == 6
    if sampler == "grid":
        assert sorted(trial.params["rate"] for trial in complete) == GRID["rate"]
    assert not list(tmp_path.glob("*.lock"))


class Killed(BaseException):
    """Stands for a kill: nothing is told or failed after it."""


WRITES = (
    "create_new_trial", "set_trial_param", "set_trial_user_attr", "set_trial_system_attr",
    "set_trial_state_values",
)  # fmt: skip


def dying_at(storage, number, monkeypatch):
    """Let the process die before its write of this number into the storage."""
    writes = iter(range(1, number + 1))

    def counted(write):
        def or_die(*args, **kwargs):
            if next(writes, None) in (number, None):
                raise Killed
            return write(*args, **kwargs)

        return or_die

    for name in WRITES:
        monkeypatch.setattr(storage, name, counted(getattr(storage, name)))


@pytest.mark.parametrize(
    "number",
    [n if n in (1, 6) else pytest.param(n, marks=pytest.mark.slow) for n in range(1, 11)],
)
def test_a_kill_between_two_writes_loses_no_place_of_a_grid(
    tmp_path, searched, monkeypatch, number
):
    monkeypatch.setattr("paramjax.tuning.studies._search.abandon", lambda *args, **kwargs: None)
    study = one_place(tmp_path)
    for again in (number, 11 - number):
        with monkeypatch.context() as patched, contextlib.suppress(Killed):
            dying_at(study._storage, again, patched)
            searched(study, trials=1, batch=1, steps=3)
        study = one_place(tmp_path)
        if TrialState.COMPLETE in states(study):
            break
    else:
        searched(study, trials=1, batch=1, steps=3)
    rest = [trial for trial in study.trials if trial.state != TrialState.FAIL]
    assert [(trial.state, trial.params) for trial in rest] == [
        (TrialState.COMPLETE, {"rate": 0.25})
    ]


def one_place(folder):
    return optuna.create_study(
        study_name="one", storage=f"sqlite:///{folder / 's.db'}", load_if_exists=True,
        sampler=optuna.samplers.GridSampler({"rate": [0.25]}, seed=0),
    )  # fmt: skip


def test_a_trial_of_the_users_own_is_left_running(tmp_path, searched):
    study = study_in(str(tmp_path / "s.db"), "tpe")
    own = study.ask()
    searched(study, trials=2, batch=2)
    assert states(study)[own.number] == TrialState.RUNNING


def test_errors_of_the_storage_say_what_to_do(tmp_path, searched):
    path = tmp_path / "s.db"
    study_in(str(path), "tpe")
    storage = optuna.storages.RDBStorage(
        f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": 0.1}}
    )
    study = optuna.load_study(study_name="one", storage=storage)
    other = sqlite3.connect(path)
    other.execute("BEGIN EXCLUSIVE")
    message = f"^study: {path} is locked by another program .*; close it, then call again"
    with pytest.raises(StoreUnavailableError, match=message):
        searched(study)
    other.rollback()
    other.close()
    searched(study, trials=2, batch=2)
    contents = path.read_bytes()
    path.write_bytes(contents[:100] + b"x" * (len(contents) - 100))
    with pytest.raises(DamagedError, match=f"^study: {path}: .* bring the file back"):
        searched(study)
