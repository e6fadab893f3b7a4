"""The hyperparameters of a trial as a study suggests them, one after the other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from paramjax.space._choice import Choice
from paramjax.space._conditional import Conditional, active, exists, unconditional
from paramjax.space._distribution import Distribution, Space, rounded
from paramjax.space._integer import Integer
from paramjax.space._ranges import LogUniform, Uniform

if TYPE_CHECKING:
    import optuna

_LABEL = 40
"""Letters of an option's label at most; databases have room for so many options only."""


def suggested(trial: optuna.Trial, space: Space) -> dict[str, Any]:
    """Let a study suggest the hyperparameters of a trial.

    A conditional hyperparameter is suggested only where it exists, after the one that it depends
    on: the define-by-run of Akiba et al. (2019, Optuna: a next-generation hyperparameter
    optimization framework, section 3).
    """
    drawn: dict[str, Any] = {}
    for name in sorted(space, key=lambda name: _depth(space, name)):
        if exists(space, name, drawn):
            drawn[name] = _named(trial, name, unconditional(space[name]))
    return active(space, drawn)


def _depth(space: Space, name: str) -> int:
    """How many hyperparameters must be known before this one."""
    distribution = space[name]
    return 1 + _depth(space, distribution.parent) if isinstance(distribution, Conditional) else 0


def _named(trial: optuna.Trial, name: str, distribution: Distribution) -> Any:
    """A value, or the study's refusal with the name that it concerns."""
    try:
        return rounded(_value(trial, name, distribution))
    except ValueError as error:
        raise ValueError(
            f"space: the study cannot suggest {name!r} from {distribution}: {error}; take another "
            "study for another space"
        ) from error


def _value(trial: optuna.Trial, name: str, distribution: Distribution) -> Any:
    if isinstance(distribution, Uniform | LogUniform):
        low, high = distribution.low, distribution.high
        return trial.suggest_float(name, low, high, log=distribution.logarithmic)
    if isinstance(distribution, Integer):
        low, high = distribution.low, distribution.high
        return trial.suggest_int(name, low, high, log=distribution.logarithmic)
    if isinstance(distribution, Choice):
        known = categories(distribution.options)
        return distribution.options[known.index(trial.suggest_categorical(name, known))]
    # a distribution of the user's own says what lies at each probability
    return distribution.quantile(trial.suggest_float(name, 0.0, 1.0))


def categories(options: Sequence[Any]) -> list[Any]:
    """Options as a study stores them: themselves, or labels where one cannot be stored."""
    if all(option is None or isinstance(option, bool | int | float | str) for option in options):
        return list(options)
    return [f"{index}: {_label(option)}"[:_LABEL] for index, option in enumerate(options)]


def _label(option: Any) -> str:
    """A name, without the address in memory, which differs from process to process."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(getattr(option, "__name__", None) or repr(option)))
