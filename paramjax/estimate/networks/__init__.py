"""How sure a network is: Laplace, ensembles, conformal prediction, coverage."""

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
from paramjax.estimate.networks._diagonal import diagonal
from paramjax.estimate.networks._ensemble import Ensemble, ensemble
from paramjax.estimate.networks._full import full, last_layer
from paramjax.estimate.networks._held_out import temperature
from paramjax.estimate.networks._kronecker import kronecker
from paramjax.estimate.networks._laplace import Laplace, laplace
from paramjax.estimate.networks._likelihoods import categorical, gaussian
from paramjax.estimate.networks._low_rank import low_rank
from paramjax.estimate.networks._mixtures import ClassMixture, ValueMixture
from paramjax.estimate.networks._predictions import (
    ClassPrediction,
    ValuePrediction,
    mean_field,
    monte_carlo,
    probit,
)

__all__ = [
    "ClassMixture",
    "ClassPrediction",
    "ConformalIntervals",
    "ConformalSets",
    "Coverage",
    "CoverageLaw",
    "CrossConformalIntervals",
    "CrossConformalSets",
    "Ensemble",
    "IntervalScore",
    "Laplace",
    "SetScore",
    "ValueMixture",
    "ValuePrediction",
    "absolute_score",
    "adaptive_score",
    "categorical",
    "conformal_intervals",
    "conformal_quantile",
    "conformal_sets",
    "coverage",
    "coverage_law",
    "cross_conformal_intervals",
    "cross_conformal_sets",
    "diagonal",
    "ensemble",
    "full",
    "gaussian",
    "kronecker",
    "laplace",
    "last_layer",
    "least_ambiguous_score",
    "low_rank",
    "mean_field",
    "monte_carlo",
    "normalised_score",
    "probit",
    "quantile_score",
    "temperature",
]
