"""An estimate as a data frame, and in a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from paramjax._checks import needs_extra
from paramjax._display import lines_of
from paramjax._format import number
from paramjax.estimate.summaries._cells import shortened
from paramjax.estimate.summaries._summary import outcome_in_words, rows_of

if TYPE_CHECKING:
    import pandas as pd

    from paramjax.estimate._estimate import Estimate

_SHOWN = 8
"""Parameters that the short text lists."""


def frame_of(estimate: Estimate, level: float) -> pd.DataFrame:
    """A row for each parameter."""
    with needs_extra("frames"):
        import pandas as pd
    rows = rows_of(estimate, level)
    symbol = "t" if estimate.reference == "t" else "z"
    names = ("estimate", "stderr", symbol, "p_value", "low", "high")
    numbers = np.array([row[1:] for row in rows], np.float64).reshape(len(rows), len(names))
    index = pd.Index(estimate.names, name="parameter")
    return pd.DataFrame(numbers, index=index, columns=list(names))


def short_text(estimate: Estimate) -> str:
    """Title, outcome, rows, and the first parameters with their standard errors."""
    title = f"Estimate: {estimate.title}, {outcome_in_words(estimate)}"
    fields = {"rows": f"{estimate.rows:,}, degrees of freedom {estimate.dof:,}"}
    first = zip(estimate.names, estimate.theta, estimate.errors, strict=True)
    for name, value, error in list(first)[:_SHOWN]:
        fields[shortened(name, 32)] = f"{number(float(value), 6)} +- {number(float(error), 3)}"
    if len(estimate.names) > _SHOWN:
        fields["..."] = f"{len(estimate.names) - _SHOWN:,} more parameters"
    if estimate.notes:
        fields["notes"] = f"{len(estimate.notes)}, see summary()"
    return lines_of(title, fields)
