"""What a study holds is what it was told; the next search notices anything else."""

import json
import sqlite3
from contextlib import closing

import optuna
import pytest

from paramjax.tuning import DamagedError


def study_in(path):
    return optuna.create_study(
        study_name="one", storage=f"sqlite:///{path}", load_if_exists=True,
        sampler=optuna.samplers.RandomSampler(seed=0),
    )  # fmt: skip


CHANGES = {
    "a value": "UPDATE trial_values SET value = value + 1e-9 WHERE trial_id = 2",
    "no values": "DELETE FROM trial_values",
    "a parameter": "DELETE FROM trial_params WHERE trial_id = 1",
    "another parameter": "UPDATE trial_params SET param_value = 0.25 WHERE trial_id = 1",
    "a status": "UPDATE trial_user_attributes SET value_json = '[\"diverged\"]'"
    " WHERE key = 'status' AND trial_id = 1",
    "the last trial": "DELETE FROM trials WHERE number = 3",
    "what the sampler notes": "UPDATE trial_user_attributes SET value_json = '[\"di'"
    " WHERE key = 'status' AND trial_id = 1",
    "a trial": "DELETE FROM trials WHERE trial_id = 1",
}


FEW = {"a value", "a status", "a parameter", "a trial"}


@pytest.mark.parametrize(
    "change", [n if n in FEW else pytest.param(n, marks=pytest.mark.slow) for n in CHANGES]
)
def test_what_is_changed_in_the_file_is_noticed(tmp_path, searched, change):
    path = tmp_path / "s.db"
    searched(study_in(path), trials=3, batch=3)
    searched(study_in(path), trials=1, batch=1)
    with closing(sqlite3.connect(path)) as db, db:
        assert db.execute(CHANGES[change]).rowcount
    with pytest.raises(DamagedError, match="study: 'one' is damaged .*; bring its storage back"):
        searched(study_in(path), trials=1, batch=1)


def test_trials_of_the_users_own_are_no_damage(tmp_path, searched):
    path = tmp_path / "s.db"
    searched(study_in(path), trials=2, batch=2)
    study = study_in(path)
    study.tell(study.ask(), 0.5)
    searched(study_in(path), trials=2, batch=2)
    assert len(study.trials) == 5
    assert json.dumps(study.trials[0].user_attrs["seeds"])
