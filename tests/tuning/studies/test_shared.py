"""A study outlives a search, and several processes share one."""

import os
import subprocess
import sys
import time

import numpy as np
import optuna
import pytest
import searching
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

import paramjax as pj

# an interrupt in the middle of a batch is put in by hand
from paramjax.tuning.studies import _batches as batches


def states(study):
    return [trial.state for trial in study.trials]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupt_leaves_nothing_running(error, monkeypatch, searched, new_study):
    """The second of three batches is interrupted; what another process runs is left alone."""
    study = new_study()
    other = study.ask()
    train_rounds, calls = batches.train_rounds, []

    def interrupted(*args, **kwargs):
        calls.append(args)
        if len(calls) == 2:
            raise error
        return train_rounds(*args, **kwargs)

    monkeypatch.setattr(batches, "train_rounds", interrupted)
    with pytest.raises(error):
        searched(study, trials=6, batch=2)
    complete, failed = [TrialState.COMPLETE] * 2, [TrialState.FAIL] * 2
    again = [TrialState.WAITING] * 2 if error is KeyboardInterrupt else []
    assert states(study) == [TrialState.RUNNING, *complete, *failed, *again]
    searched(study, trials=2, batch=2)
    if again:
        assert [t.params for t in study.trials[3:5]] == [t.params for t in study.trials[5:]]
    study.tell(other, 1.0)
    assert states(study) == [TrialState.COMPLETE, *complete, *failed, *complete]


def test_an_interrupt_between_two_trials_keeps_the_first(monkeypatch, searched, new_study):
    study = new_study()
    tell = study.tell

    def interrupted(trial, *args, **kwargs):
        tell(trial, *args, **kwargs)
        if trial.number == 1 and not kwargs.get("skip_if_finished"):
            raise KeyboardInterrupt

    monkeypatch.setattr(study, "tell", interrupted)
    with pytest.raises(KeyboardInterrupt):
        searched(study)
    finished = [TrialState.COMPLETE, TrialState.COMPLETE]
    assert states(study) == [*finished, TrialState.FAIL, TrialState.WAITING]


def test_another_space_leaves_nothing_running(line_loss, searched, new_study):
    study = new_study()
    drawn = {"rate": optuna.distributions.FloatDistribution(1e-3, 0.9, log=True)}
    study.tell(study.ask(drawn), 1.0)
    with pytest.raises(ValueError, match="cannot suggest 'rate' from uniform"):
        searched(study, space={"rate": pj.uniform(0.1, 0.2)})
    assert states(study) == [TrialState.COMPLETE, TrialState.FAIL]


def test_a_search_goes_on_in_its_storage(tmp_path, searched, new_study):
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    first = new_study(storage=storage, study_name="line")
    earlier = searched(first, trials=2, batch=2)
    again = new_study(storage=storage, study_name="line", load_if_exists=True)
    later = searched(again, trials=3, batch=2)
    assert [record.trial for record in earlier.records[::2]] == [0, 1]
    assert [record.trial for record in later.records[::2]] == [2, 3, 4]
    assert states(again) == [TrialState.COMPLETE] * 5
    # the same key names the same starts
    np.testing.assert_array_equal(earlier.history["loss"][:2, 0], later.history["loss"][:2, 0])


ONES = {"x": np.ones((4, 1), np.float32), "y": np.ones((4, 1), np.float32)}


def sum_of_squares(params, batch, key):
    return (params["w"] ** 2).sum(), {}


SHARED = """
import sys
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from searching import create_study, run_search
from test_shared import ONES, sum_of_squares

study = create_study(
    study_name="shared", storage=JournalStorage(JournalFileBackend(sys.argv[1])),
    sampler=None, load_if_exists=True,
)
result = run_search(ONES, sum_of_squares, study, trials=6, batch=2, steps=3)
print(*sorted({record.trial for record in result.records}))
"""


@pytest.mark.slow
def test_two_processes_share_a_study(tmp_path):
    """One is this one, which begins once the other has asked for trials."""
    path = str(tmp_path / "journal.log")
    storage = JournalStorage(JournalFileBackend(path))
    study = optuna.create_study(study_name="shared", storage=storage)
    own = [os.path.dirname(__file__), os.path.dirname(searching.__file__)]
    folders = os.pathsep.join([os.environ.get("PYTHONPATH", ""), *own])
    other = subprocess.Popen(
        [sys.executable, "-c", SHARED, path],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": folders},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not study.trials and time.monotonic() < deadline:
        time.sleep(0.05)
    result = searching.run_search(ONES, sum_of_squares, study, trials=6, batch=2, steps=3)
    mine = {record.trial for record in result.records}
    theirs = {int(number) for number in other.communicate(timeout=120)[0].split()}
    assert other.returncode == 0
    assert len(mine) == len(theirs) == 6
    assert mine | theirs == set(range(12))
    assert states(study) == [TrialState.COMPLETE] * 12
    # neither tried what the other did
    assert len({trial.params["rate"] for trial in study.trials}) == 12
