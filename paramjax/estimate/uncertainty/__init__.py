"""How sure an estimate is: information, delta method, profiles, bootstrap, bands."""

from paramjax.estimate.uncertainty._bands import Prediction, predict
from paramjax.estimate.uncertainty._bootstrap import Bootstrap, bootstrap
from paramjax.estimate.uncertainty._delta import Delta, delta
from paramjax.estimate.uncertainty._influence import Influence, influence
from paramjax.estimate.uncertainty._profile import Profile, ProfileCurve, profile
from paramjax.estimate.uncertainty._sandwich import robust

__all__ = [
    "Bootstrap",
    "Delta",
    "Influence",
    "Prediction",
    "Profile",
    "ProfileCurve",
    "bootstrap",
    "delta",
    "influence",
    "predict",
    "profile",
    "robust",
]
