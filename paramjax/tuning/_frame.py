"""The trainings of a sweep as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from paramjax._checks import needs_extra
from paramjax._format import option_names
from paramjax.populations._trial_run import Record
from paramjax.space._choice import Choice
from paramjax.space._conditional import unconditional
from paramjax.space._distribution import Distribution, Space
from paramjax.space._options import option_index

if TYPE_CHECKING:
    import pandas as pd

_FIXED = ("trial", "seed", "status", "diverged_step", "steps", "fold")


def frame(records: Sequence[Record], space: Space) -> pd.DataFrame:
    """One row a training; a hyperparameter named `seed` becomes `hyperparameter/seed`."""
    with needs_extra("frames"):
        import pandas as pd
    metrics = list(dict.fromkeys(name for record in records for name in record.metrics))
    columns: dict[str, Any] = {
        "trial": [record.trial for record in records],
        "seed": [record.seed for record in records],
    }
    if records[0].fold is not None:
        columns["fold"] = [record.fold for record in records]
    taken = {*_FIXED, *metrics}
    for name, distribution in space.items():
        column = _free(name, taken, "hyperparameter/")
        columns[column] = _hyperparameter(records, name, unconditional(distribution))
        taken.add(column)
    columns["status"] = [str(record.status) for record in records]
    columns["diverged_step"] = pd.array([record.diverged_step for record in records], "Int64")
    columns["steps"] = [record.steps for record in records]
    for name in metrics:
        # not against `taken`, which holds the metrics themselves
        values = [record.metrics.get(name, float("nan")) for record in records]
        columns[_free(name, set(columns), "metric/")] = values
    return pd.DataFrame(columns)


def _hyperparameter(records: Sequence[Record], name: str, drawn: Distribution) -> Any:
    import pandas as pd

    given = [record.hyperparameters.get(name) for record in records]
    exists = [name in record.hyperparameters for record in records]
    if isinstance(drawn, Choice) and not _plain(drawn.options):
        codes = [
            option_index(value, drawn.options) if there else -1
            for value, there in zip(given, exists, strict=True)
        ]
        return pd.Categorical.from_codes(codes, option_names(drawn.options))
    if all(exists):
        return given
    present = [value for value, there in zip(given, exists, strict=True) if there]
    kinds = {type(value) for value in present}
    nullable = {bool: "boolean", int: "Int64"}.get(*kinds) if len(kinds) == 1 else None
    return pd.Series(given, dtype=nullable or ("float64" if kinds <= {int, float} else "object"))


def _plain(options: Sequence[Any]) -> bool:
    """Whether all are booleans, or all numbers."""
    booleans = [isinstance(option, bool) for option in options]
    return all(booleans) or (
        not any(booleans) and all(isinstance(option, int | float) for option in options)
    )


def _free(name: str, taken: set[str], prefix: str) -> str:
    while name in taken:
        name = prefix + name
    return name
