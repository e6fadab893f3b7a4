"""The result of a cross-validation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from paramjax._checks import needs_extra
from paramjax._display import as_html, lines_of, tree_summary
from paramjax._format import number
from paramjax._status import Status
from paramjax._types import ModelState, Params
from paramjax.populations._outcome import finite_runs
from paramjax.populations._trial_run import status_of

if TYPE_CHECKING:
    import pandas as pd


class CrossValidation(NamedTuple):
    """The result of `cross_validate`, for k folds.

    The folds share training rows, so `stderr` is only a guide and gives no exact interval: the
    variance has no unbiased estimator (Bengio and Grandvalet, 2004, No unbiased estimator of the
    variance of k-fold cross-validation).

    Attributes:
        params: Parameters to evaluate, leaves [k, ...]; of a fold that diverged, those before the
            step that lost it.
        metrics: Name -> mean over the held-out rows of each fold, [k]; NaN of a fold that a step
            lost.
        history: Metric of the training steps -> [k, steps]; NaN after a step that lost its fold.
        folds: The fold that held out each row, int32[rows].
        status: `finished`, `worsened` or `diverged` for each fold, as in `pj.populations.Record`.
        diverged_step: For each fold the step, from 0, that lost it, as in a `Record`, or None.
        model_state: The model state that belongs to `params`, leaves [k, ...].

    Example:
        >>> losses = {"loss": np.array([1.0, 3.0])}
        >>> result = CrossValidation(
        ...     None, losses, {}, np.array([0, 1]), ("finished",) * 2, (None,) * 2
        ... )
        >>> result.mean["loss"], result.stderr["loss"]
        (2.0, 1.0)
    """

    params: Params
    metrics: dict[str, np.ndarray]
    history: dict[str, np.ndarray]
    folds: np.ndarray
    status: tuple[Status, ...]
    diverged_step: tuple[int | None, ...]
    model_state: ModelState = ()

    def __repr__(self) -> str:
        """Means of the metrics with their standard errors, and how the folds ended."""
        counts = {status: self.status.count(status) for status in dict.fromkeys(self.status)}
        ended = ", ".join(f"{count} {status}" for status, count in counts.items())
        stderr = self.stderr
        means = {n: f"{number(m)} +- {number(stderr[n], 2)}" for n, m in self.mean.items()}
        title = f"CrossValidation: {len(self.status)} folds, {ended}"
        return lines_of(title, means | {"params": tree_summary(self.params)})

    def _repr_html_(self) -> str:
        """The same lines in a notebook."""
        return as_html(repr(self))

    @property
    def mean(self) -> dict[str, float]:
        """Mean of each metric over the folds; NaN if it is not finite in one of them."""
        return {name: float(values.mean()) for name, values in self._finite().items()}

    @property
    def std(self) -> dict[str, float]:
        """Sample standard deviation of each metric over the folds, divided by k - 1."""
        return {name: float(values.std(ddof=1)) for name, values in self._finite().items()}

    @property
    def stderr(self) -> dict[str, float]:
        """Standard error of each mean, as if the folds were independent."""
        return {name: std / math.sqrt(len(self.status)) for name, std in self.std.items()}

    def summary(self) -> str:
        """Mean, deviation and standard error of each metric as text, and the diverged folds."""
        width = max(len("metric"), *map(len, self.metrics))
        mean, std, stderr = self.mean, self.std, self.stderr
        lines = [f"{len(self.folds)} rows in {len(self.status)} folds"]
        lines += [f"{'metric':<{width}}  {'mean':>11}  {'std':>11}  {'stderr':>11}"]
        lines += [
            f"{name:<{width}}  {mean[name]:>11.6g}  {std[name]:>11.4g}  {stderr[name]:>11.4g}"
            for name in self.metrics
        ]
        for fold, (status, step) in enumerate(zip(self.status, self.diverged_step, strict=True)):
            if status == Status.DIVERGED:
                lines.append(
                    f"fold {fold} diverged" + ("" if step is None else f" at step {step + 1}")
                )
        return "\n".join(lines)

    def to_frame(self) -> pd.DataFrame:
        """The folds as a table: held-out rows, status, diverged step and metrics.

        Returns:
            A data frame with a row a fold.

        Raises:
            ModuleNotFoundError: If pandas is not installed.
        """
        with needs_extra("frames"):
            import pandas as pd
        columns = {
            "rows": np.bincount(self.folds),
            "status": [str(status) for status in self.status],
            "diverged_step": pd.array(list(self.diverged_step), "Int64"),
        }
        index = pd.RangeIndex(len(self.status), name="fold")
        return pd.DataFrame(columns | self.metrics, index=index)

    def _finite(self) -> dict[str, np.ndarray]:
        """The metrics in float64; one that is not finite in a fold is NaN in all folds."""
        return {
            name: np.where(np.isfinite(values).all(), values.astype(np.float64), np.nan)
            for name, values in self.metrics.items()
        }


def status_of_folds(
    params: Params, metrics: dict[str, np.ndarray], losses: np.ndarray, lost: np.ndarray
) -> tuple[tuple[Status, ...], tuple[int | None, ...]]:
    """Status of each fold, and the step that lost it; `lost` is the number of steps if none did."""
    finite = np.isfinite(np.stack(list(metrics.values()))).all(axis=0)
    finite &= finite_runs(params, len(lost))
    ended = status_of(losses, lost)
    status = tuple(s if f else Status.DIVERGED for (s, _), f in zip(ended, finite, strict=True))
    return status, tuple(step for _, step in ended)
