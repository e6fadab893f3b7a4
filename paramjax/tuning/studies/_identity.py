"""What names a search: a study that holds trials of another one is refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from paramjax._format import option_name, option_names
from paramjax._hashes import checksums, content_hash
from paramjax._types import Key
from paramjax.populations._population import Population
from paramjax.populations._trial_run import TrialRun
from paramjax.space._choice import Choice
from paramjax.space._conditional import Conditional
from paramjax.space._distribution import Distribution
from paramjax.tuning._preflight import check_structures
from paramjax.tuning._stored import program_of, structure_text
from paramjax.tuning.store._errors import StoreMismatchError, differences
from paramjax.tuning.studies._seals import told_by
from paramjax.tuning.studies._study import suggested

if TYPE_CHECKING:
    import optuna

_NAME = "paramjax search"
"""User attribute of a study: the inputs of its search; one more for each structure's program."""

_ADVICE = "call search as it was, or take another study"


class Identity:
    """The inputs of one search, and what a study knows of them.

    The version of JAX and the backend are noted, and may change: values are equal up to rounding
    then, but programs and initial parameters cannot be compared.
    """

    def __init__(self, population: Population, metrics: Sequence[str], key: Key) -> None:
        self._population = population
        self._inputs: dict[str, Any] = {
            "key": np.asarray(jax.random.key_data(key)).tolist(),
            "seeds": len(population.seeds),
            "steps": population.steps,
            "evaluated at": list(population.evaluation_steps),
            "metrics": list(metrics),
            **{f"space {name}": _text(drawn) for name, drawn in population.space.items()},
            **checksums("data", population.data),
            **checksums("eval_data", population.eval_data),
        }
        self._jax = f"{jax.__version__} on {jax.default_backend()}"
        self._comparable = True
        self._met: set[str] = set()
        self.text = content_hash(json.dumps(self._inputs, sort_keys=True))[:16]

    def require(self, study: optuna.Study) -> None:
        """Note the search in a study that has none; raise if the study has one with other inputs.

        Raises:
            StoreMismatchError: If the study belongs to another search, or a trial was told by one.
        """
        known = study.user_attrs.get(_NAME)
        if known is not None:
            _compare(study, {n: v for n, v in known.items() if n != "jax"}, self._inputs)
        told = [trial for trial in study.get_trials(deepcopy=False) if told_by(trial) is not None]
        for trial in told:
            if told_by(trial) not in ("", self.text):
                raise StoreMismatchError(
                    f"study: {study.study_name!r}: trial {trial.number} was told by a search with "
                    f"other inputs; {_ADVICE}"
                )
        if known is None:
            study.set_user_attr(_NAME, {"jax": self._jax, **self._inputs})
        self._comparable = known is None or known.get("jax") == self._jax
        self.meet(study, (suggested(trial, self._population.space) for trial in told))

    def meet(self, study: optuna.Study, tried: Iterable[dict[str, Any]]) -> None:
        """Note the program of each new structure; raise if the study has another one of it."""
        for hyperparameters in tried if self._comparable else ():
            structure = structure_text(self._population, hyperparameters)
            if structure in self._met:
                continue
            (group,) = check_structures(self._population, [TrialRun(0, 0, hyperparameters)])
            name = f"{_NAME}: program {structure}".strip()
            own = {f"program {structure}".strip(): program_of(group)}
            own |= checksums("initial", group.shared.starts.made().params)
            name = name if len(name) < 200 else f"{name[:180]} {content_hash(name)[:16]}"
            known = study.user_attrs.get(name)
            if known is None:
                study.set_user_attr(name, own)
            else:
                _compare(study, known, own)
            self._met.add(structure)


def _compare(study: optuna.Study, known: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    changes = differences(known, json.loads(json.dumps(now)))
    if changes:
        raise StoreMismatchError(
            f"study: {study.study_name!r} belongs to another search: {changes}; {_ADVICE}"
        )


def _text(drawn: Distribution) -> str:
    """A distribution in words, the same in every process."""
    if isinstance(drawn, Conditional):
        values = ", ".join(map(option_name, drawn.values))
        return f"{_text(drawn.distribution)} if {drawn.parent} is {values}"
    if isinstance(drawn, Choice):
        return f"choice({', '.join(option_names(drawn.options))})" + " static" * drawn.static
    return repr(drawn) if dataclasses.is_dataclass(drawn) else option_name(drawn)
