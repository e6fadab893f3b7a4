"""Which trials of a study belong to a search that lives; those of a killed one are tried again."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paramjax._locks import FolderLock, RunInUse
from paramjax.tuning.studies._storage import file_of_study

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

_CLAIM = "search"
"""User attribute of a trial: the search that trains it, which holds a lock of that name."""

_FAILED = "failed_trial"
"""System attribute of a trial, as Optuna's own retries have it: the number of the failed one."""


@contextlib.contextmanager
def claiming(study: optuna.Study) -> Iterator[str | None]:
    """The name of this search, known as alive to others until the block ends.

    The lock lies beside the file of the storage, which all who share it can see. None where
    there is no file or the file system has no locks: then a search cannot tell which others live.
    """
    file, name = file_of_study(study), uuid.uuid4().hex[:12]
    lock = None if file is None else _lock(file, name)
    try:
        yield None if lock is None else name
    finally:
        if file is not None and lock is not None:
            _lock_file(file, name).unlink(missing_ok=True)
            lock.release()


def ask(study: optuna.Study, name: str | None) -> optuna.Trial:
    """A trial for a search of this name, which is claimed before it runs.

    A kill between asking and claiming would leave it running for ever, unclaimed.
    """
    from optuna.trial import TrialState, create_trial

    if name is None:
        return study.ask()
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    if waiting:
        study._storage.set_trial_user_attr(waiting[0]._trial_id, _CLAIM, name)
    else:
        study.add_trial(create_trial(state=TrialState.WAITING, user_attrs={_CLAIM: name}))
    trial = study.ask()
    if trial.user_attrs.get(_CLAIM) != name:  # another process has taken the one that waited
        trial.set_user_attr(_CLAIM, name)
    return trial


def retry_orphans(study: optuna.Study) -> int:
    """Fail what killed searches left running, and have it tried again; the number of trials."""
    from optuna.trial import TrialState

    file = file_of_study(study)
    if file is None:
        return 0
    orphans: dict[str, list[FrozenTrial]] = {}
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if isinstance(name := trial.user_attrs.get(_CLAIM), str):
            orphans.setdefault(name, []).append(trial)
    return sum(_retried(study, file, name, trials) for name, trials in orphans.items())


def retry(study: optuna.Study, trial: FrozenTrial) -> None:
    """Have a trial that is about to fail tried again, with the same hyperparameters.

    A grid counts a failed trial as tried, so its place in the grid is handed on. A kill between
    this and the failure repeats nothing twice.
    """
    from optuna.trial import TrialState, create_trial

    if any(
        other.system_attrs.get(_FAILED) == trial.number
        for other in study.get_trials(deepcopy=False)
    ):
        return
    study.add_trial(
        create_trial(
            state=TrialState.WAITING, params=trial.params, distributions=trial.distributions,
            system_attrs={**trial.system_attrs, _FAILED: trial.number},
        )
    )  # fmt: skip


def _retried(study: optuna.Study, file: Path, name: str, trials: list[FrozenTrial]) -> int:
    """Fail and repeat the trials of one search, unless it lives."""
    from optuna.trial import TrialState

    lock = _lock(file, name)  # two searches that start at once do not both repeat them
    if lock is None:
        return 0
    try:
        for trial in trials:
            retry(study, trial)
            # not Study.tell: a grid would stop at what it takes for its last trial
            study._storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL)
    finally:
        _lock_file(file, name).unlink(missing_ok=True)
        lock.release()
    return len(trials)


def _lock(file: Path, name: str) -> FolderLock | None:
    """The lock of a search; None if it is held, or cannot be."""
    try:
        return FolderLock("study", file.parent, _lock_file(file, name).name)
    except (RunInUse, OSError):
        return None


def _lock_file(file: Path, name: Any) -> Path:
    return file.with_name(f"{file.name}.{name}.lock")
