"""Figures of a regression by maximum likelihood: deviances, criteria, pseudo R-squared."""

from __future__ import annotations

import numpy as np
from scipy import special

from paramjax.estimate.regression._families import Family, Number
from paramjax.estimate.regression._generalised import Sample


def null_mean(
    family: Family,
    sample: Sample,
    y: np.ndarray,
    *,
    dispersion: Number,
    trials: Number,
    constant: bool,
) -> np.ndarray:
    """The mean of a model without columns but for the intercept, if there is a constant one.

    Its score falls with the intercept, so that it has one root.
    """
    offset = np.zeros(len(y)) if sample.offset is None else sample.offset
    if not constant:
        return family.mean(offset)
    average = float((sample.counts * y).sum() / (sample.counts * trials).sum())
    if sample.offset is None:
        return np.full(len(y), average)

    def score(intercept: float) -> float:
        mean = family.mean(offset + intercept)
        pull = family.pull(mean, dispersion) * (y - trials * mean)
        return float((sample.counts * pull).sum())

    from scipy import optimize  # at the call, for it takes 0.2 s

    low, high = family.bracket(y, average, offset)
    return family.mean(offset + optimize.brentq(score, low, high, xtol=1e-13))


def likelihood_statistics(
    log_likelihood: float, null: float, *, size: int, rows: int, tested: int
) -> dict[str, float]:
    """Figures that follow from the log likelihoods of a model and of the one without columns.

    McFadden's pseudo R-squared is 1 - L / L0; the ratio test compares both.

    Args:
        log_likelihood: L.
        null: L0.
        size: Parameters that were estimated.
        rows: Observations.
        tested: Parameters that the model without columns lacks.
    """
    ratio = max(2 * (log_likelihood - null), 0.0)
    test = {}
    if tested:
        probability = float(special.chdtrc(tested, ratio))
        test = {"likelihood ratio": ratio, "likelihood ratio p-value": probability}
    return {
        "log likelihood": log_likelihood,
        "null log likelihood": null,
        "pseudo R-squared": 1 - log_likelihood / null if null else np.nan,
        **test,
        "AIC": 2 * size - 2 * log_likelihood,
        "BIC": float(np.log(rows)) * size - 2 * log_likelihood,
    }
