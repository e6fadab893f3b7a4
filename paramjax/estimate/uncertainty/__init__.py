"""How sure an estimate is: information, delta method, profiles, bootstrap, bands."""

from paramjax.estimate.uncertainty._influence import Influence, influence
from paramjax.estimate.uncertainty._sandwich import robust

__all__ = ["Influence", "influence", "robust"]
