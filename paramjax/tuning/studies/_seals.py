"""A hash beside each result that a study is told, so that changed or deleted rows are noticed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from paramjax._hashes import content_hash
from paramjax.tuning.store._errors import DamagedError

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

SEAL = "hash"
"""Name of the user attribute."""

_TOLD = "paramjax search: trials told"
"""User attribute of a study: how many trials were told at least."""

SEALED = ("seeds", "status", "diverged_step")
"""The user attributes that the hash covers."""


def seal(
    params: Mapping[str, Any], values: Sequence[float] | None, attributes: Mapping[str, Any],
    search: str = "",
) -> str:  # fmt: skip
    """The hash of a trial that is told, and the search that tells it.

    Numbers are hashed with 14 digits, which every database keeps.

    Example:
        >>> seal({"rate": 0.1}, [1.0], {}) == seal({"rate": 0.1}, [1.0 + 1e-9], {})
        False
    """
    about = {name: attributes.get(name) for name in SEALED}
    told = [dict(params), list(values or ()), about, *([search] if search else [])]
    digits = content_hash(json.dumps(_plain(told), sort_keys=True))[:16]
    return f"{digits}-{search}" if search else digits


def told_by(trial: FrozenTrial) -> str | None:
    """The search that told a trial, as the seal notes it; None if no search did, "" if unknown."""
    known = trial.user_attrs.get(SEAL)
    return known.partition("-")[2] if isinstance(known, str) else None


def note_told(study: optuna.Study) -> None:
    """Note how many trials were told; of searches at once the last one to note counts."""
    trials = study.get_trials(deepcopy=False)
    study.set_user_attr(_TOLD, sum(told_by(trial) is not None for trial in trials))


@contextlib.contextmanager
def readable(study: optuna.Study) -> Iterator[None]:
    """Say of what Optuna cannot read in a study that it is damaged.

    Raises:
        DamagedError: If an entry of a trial is missing, or is no JSON.
    """
    try:
        yield
    except (KeyError, json.JSONDecodeError) as error:
        why = f"Optuna cannot read it: {type(error).__name__}: {error}"
        raise _damaged(study, why) from error


def check_seals(study: optuna.Study) -> None:
    """Raise `DamagedError` if a finished trial of a study is not what was told, or is gone."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    if [trial.number for trial in trials] != list(range(len(trials))):
        raise _damaged(study, "trials were deleted")
    told = sum(told_by(trial) is not None for trial in trials)
    if told < (noted := study.user_attrs.get(_TOLD, 0)):
        raise _damaged(study, f"{noted - told} of {noted} trials that were told are gone")
    for trial in trials:
        known = trial.user_attrs.get(SEAL)
        if known is None or trial.state not in (TrialState.COMPLETE, TrialState.PRUNED):
            continue
        values = trial.values if trial.state == TrialState.COMPLETE else None
        if known != seal(trial.params, values, trial.user_attrs, told_by(trial) or ""):
            raise _damaged(study, f"trial {trial.number} is not what was told")


def _damaged(study: optuna.Study, why: str) -> DamagedError:
    return DamagedError(
        f"study: {study.study_name!r} is damaged ({why}); bring its storage back, or take another "
        "study"
    )


def _plain(value: Any) -> Any:
    """Values of JSON with numbers as text of 14 digits."""
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return f"{value:.14g}" if isinstance(value, float) else value
