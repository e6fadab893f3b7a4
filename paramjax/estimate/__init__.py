"""Estimates of parameters with their uncertainty: least squares, likelihood, intervals."""

from paramjax.estimate._estimate import Estimate, Interval
from paramjax.estimate._outcome import Outcome
from paramjax.estimate._transforms import Transform, positive, unit_interval
from paramjax.estimate.batches._estimates import Estimates
from paramjax.estimate.batches._many import least_squares_many
from paramjax.estimate.curves._least_squares import curve_fit, least_squares
from paramjax.estimate.curves._robust_losses import cauchy, huber, soft_l1, tukey
from paramjax.estimate.formulas._formula import Expression, Formula, formula
from paramjax.estimate.likelihoods._likelihood import maximum_likelihood
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
from paramjax.estimate.regression._gamma import gamma
from paramjax.estimate.regression._linear import linear
from paramjax.estimate.regression._logistic import logistic
from paramjax.estimate.regression._multinomial import multinomial
from paramjax.estimate.regression._negative_binomial import negative_binomial
from paramjax.estimate.regression._poisson import poisson
from paramjax.estimate.summaries._summary import Row, Summary
from paramjax.estimate.uncertainty._bands import Prediction, predict
from paramjax.estimate.uncertainty._bootstrap import Bootstrap, bootstrap
from paramjax.estimate.uncertainty._delta import Delta, delta
from paramjax.estimate.uncertainty._influence import Influence, influence
from paramjax.estimate.uncertainty._profile import Profile, ProfileCurve, profile
from paramjax.estimate.uncertainty._sandwich import robust

__all__ = [
    "Bootstrap",
    "ClassMixture",
    "ClassPrediction",
    "ConformalIntervals",
    "ConformalSets",
    "Coverage",
    "CoverageLaw",
    "CrossConformalIntervals",
    "CrossConformalSets",
    "Delta",
    "Ensemble",
    "Estimate",
    "Estimates",
    "Expression",
    "Formula",
    "Influence",
    "Interval",
    "IntervalScore",
    "Laplace",
    "Outcome",
    "Prediction",
    "Profile",
    "ProfileCurve",
    "Row",
    "SetScore",
    "Summary",
    "Transform",
    "ValueMixture",
    "ValuePrediction",
    "absolute_score",
    "adaptive_score",
    "bootstrap",
    "categorical",
    "cauchy",
    "conformal_intervals",
    "conformal_quantile",
    "conformal_sets",
    "coverage",
    "coverage_law",
    "cross_conformal_intervals",
    "cross_conformal_sets",
    "curve_fit",
    "delta",
    "diagonal",
    "ensemble",
    "formula",
    "full",
    "gamma",
    "gaussian",
    "huber",
    "influence",
    "kronecker",
    "laplace",
    "last_layer",
    "least_ambiguous_score",
    "least_squares",
    "least_squares_many",
    "linear",
    "logistic",
    "low_rank",
    "maximum_likelihood",
    "mean_field",
    "monte_carlo",
    "multinomial",
    "negative_binomial",
    "normalised_score",
    "poisson",
    "positive",
    "predict",
    "probit",
    "profile",
    "quantile_score",
    "robust",
    "soft_l1",
    "temperature",
    "tukey",
    "unit_interval",
]
