"""How sure a network is: ensembles, conformal prediction, coverage."""

from paramjax.estimate.networks._conformal import (
    ConformalIntervals,
    ConformalSets,
    conformal_intervals,
    conformal_sets,
)
from paramjax.estimate.networks._conformal_quantile import (
    CoverageLaw,
    conformal_quantile,
    coverage_law,
)
from paramjax.estimate.networks._conformal_scores import (
    IntervalScore,
    SetScore,
    absolute_score,
    adaptive_score,
    least_ambiguous_score,
    normalised_score,
    quantile_score,
)
from paramjax.estimate.networks._coverage import Coverage, coverage
from paramjax.estimate.networks._cross_conformal import (
    CrossConformalIntervals,
    CrossConformalSets,
    cross_conformal_intervals,
    cross_conformal_sets,
)
from paramjax.estimate.networks._ensemble import Ensemble, ensemble
from paramjax.estimate.networks._mixtures import ClassMixture, ValueMixture

__all__ = [
    "ClassMixture",
    "ConformalIntervals",
    "ConformalSets",
    "Coverage",
    "CoverageLaw",
    "CrossConformalIntervals",
    "CrossConformalSets",
    "Ensemble",
    "IntervalScore",
    "SetScore",
    "ValueMixture",
    "absolute_score",
    "adaptive_score",
    "conformal_intervals",
    "conformal_quantile",
    "conformal_sets",
    "coverage",
    "coverage_law",
    "cross_conformal_intervals",
    "cross_conformal_sets",
    "ensemble",
    "least_ambiguous_score",
    "normalised_score",
    "quantile_score",
]
