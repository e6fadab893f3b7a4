"""What a run leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from paramjax._checks import needs_extra
from paramjax._display import as_html, curve_summary, lines_of, tree_summary
from paramjax._status import Status
from paramjax._types import ModelState, Params
from paramjax.step._state import TrainState

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_MEASURES = 4
"""Metrics of validations that are shown; `validation` holds all of them."""


class Fit(NamedTuple):
    """What a run leaves behind.

    Attributes:
        params: The parameters to evaluate: `trainer.eval_params(state)`, or those of the best
            validation where early stopping restores them.
        state: The last state; it holds the raw parameters.
        history: Metric name -> numpy array [steps, ...], one value a step. Those of a resumed
            run begin with its first step.
        validation: Metric name -> numpy array [validations], and `step`, the steps done when
            each was measured; empty without validation.
        status: How it ended.
        model_state: The model state that belongs to `params`; `()` if the model has none. Where
            early stopping restores the best parameters, it is the one of their step, and
            `state.model_state` that of the last step.

    Example:
        >>> fit = Fit(1.0, None, {"loss": np.array([4.0, 1.0])}, {})
        >>> fit.history["loss"].tolist(), str(fit.status)
        ([4.0, 1.0], 'finished')
    """

    params: Params
    state: TrainState
    history: dict[str, np.ndarray]
    validation: dict[str, np.ndarray]
    status: Status = Status.FINISHED
    model_state: ModelState = ()

    def __repr__(self) -> str:
        """Status, curves and shapes in about ten lines; the attributes hold the numbers."""
        steps = len(next(iter(self.history.values()), ()))
        losses = [name for name in ("loss",) if steps and name in self.history]
        done = np.arange(1, steps + 1)
        at = self.validation.get("step", np.zeros(0))
        measured = [name for name in self.validation if name != "step" and len(at)]
        return lines_of(
            f"Fit: {self.status} after {steps:,} step{'s' * (steps != 1)}",
            {name: curve_summary(self.history[name], done) for name in losses}
            | {
                f"validation {name}": curve_summary(self.validation[name], at)
                for name in measured[:_MEASURES]
            }
            | {
                "history": ", ".join(self.history),
                "params": tree_summary(self.params),
                "model_state": tree_summary(self.model_state) if self.model_state != () else "",
            },
        )

    def _repr_html_(self) -> str:
        """The same lines in a notebook."""
        return as_html(repr(self))

    def to_frame(self) -> pd.DataFrame:
        """History and validations as one data frame.

        Returns:
            A row a step, indexed by `step` from 1; columns are the scalar metrics and, where
            there were validations, `validation/<metric>`, NaN at steps without one.

        Raises:
            ModuleNotFoundError: Without pandas.
        """
        with needs_extra("frames"):
            import pandas as pd
        names = sorted(self.history, key=lambda name: (name != "loss", name))
        scalars = {name: self.history[name] for name in names if self.history[name].ndim == 1}
        steps = len(next(iter(self.history.values()), ()))
        frame = pd.DataFrame(scalars, index=pd.RangeIndex(1, steps + 1, name="step"))
        if not self.validation:
            return frame
        held_out = pd.DataFrame(self.validation).set_index("step").add_prefix("validation/")
        return frame.join(held_out)

    def plot(self) -> Figure:
        """Draw the learning curves: one panel for each metric that was validated, and the loss.

        Returns:
            A figure; `figure.savefig("curves.png")` keeps it, and a notebook shows it.

        Raises:
            ModuleNotFoundError: Without matplotlib.
        """
        from paramjax.plots import run_curves

        return run_curves(self.history, self.validation)
